/* The sub-commands: NCE_COMMAND(name, "what it does"), run by nce_cmd_<name> in cmd_<name>.c. */
NCE_COMMAND(bench, "measure prefill and decode speed")
NCE_COMMAND(detokenize, "text of token ids")
NCE_COMMAND(devices, "list the devices models can run on")
NCE_COMMAND(imatrix, "measure which columns of the weights matter on a text")
NCE_COMMAND(inspect, "print metadata and tensors of a model")
NCE_COMMAND(logits, "write the logits of a token list and their hash")
NCE_COMMAND(perplexity, "perplexity of a text")
NCE_COMMAND(quantize, "make the weights of a model smaller")
#ifdef NCE_TOOL_PHOTONIC
NCE_COMMAND(photonic, "look at, tune, measure or heat a photonic device")
#endif
NCE_COMMAND(run, "continue a prompt")
#ifdef NCE_TOOL_SCHED
NCE_COMMAND(sched, "route, assign, replay: the scheduler")
#endif
NCE_COMMAND(synth, "make a model of random weights in a real shape")
NCE_COMMAND(tokenize, "token ids of a text")
NCE_COMMAND(train_tokenizer, "learn a vocabulary from text files")
NCE_COMMAND(version, "print the version")
#ifdef NCE_TOOL_SNN
NCE_COMMAND(snn, "run, describe and measure spiking networks")
#endif
