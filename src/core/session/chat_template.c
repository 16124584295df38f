#include "src/core/session/chat_template.h"
#include <string.h>

/* In the order of detection: the more specific marks first. */
static const nce_chat_format formats[] = {
    {"llama3", {"<|start_header_id|>", "<|eot_id|>"}, "<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>",
     "<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>",
     "<|eot_id|>", 0},
    {"chatml", {"<|im_start|>", NULL}, "<|im_start|>system\n", "<|im_end|>\n", "<|im_start|>user\n", "<|im_end|>\n",
     "<|im_start|>assistant\n", "<|im_end|>\n", "<|im_end|>", 0},
    {"gemma", {"<start_of_turn>", NULL}, "", "\n\n", "<start_of_turn>user\n", "<end_of_turn>\n", "<start_of_turn>model\n",
     "<end_of_turn>\n", "<end_of_turn>", 1},
    {"phi3", {"<|assistant|>", "<|end|>"}, "<|system|>\n", "<|end|>\n", "<|user|>\n", "<|end|>\n", "<|assistant|>\n", "<|end|>\n",
     "<|end|>", 0},
    {"zephyr", {"<|user|>", "<|assistant|>"}, "<|system|>\n", "</s>\n", "<|user|>\n", "</s>\n", "<|assistant|>\n", "</s>\n", "</s>", 0},
    {"llama2", {"[INST]", "<<SYS>>"}, "<<SYS>>\n", "\n<</SYS>>\n\n", "<s>[INST] ", " [/INST]", " ", " </s>", "</s>", 1},
    {"mistral", {"[INST]", NULL}, "", "\n\n", "[INST] ", " [/INST]", " ", "</s>", "</s>", 1},
};

const nce_chat_format *nce_chat_format_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0) return &formats[i];
    return NULL;
}

const nce_chat_format *nce_chat_format_by_template(const char *jinja, size_t n_bytes)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const nce_chat_format *f = &formats[i];
        const char *m0 = f->mark[0], *m1 = f->mark[1];
        if (memmem(jinja, n_bytes, m0, strlen(m0)) != NULL && (m1 == NULL || memmem(jinja, n_bytes, m1, strlen(m1)) != NULL)) return f;
    }
    return NULL;
}
