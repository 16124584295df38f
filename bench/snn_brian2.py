#!/usr/bin/env python3
"""CUBA and COBA side by side: Brian2's C++ standalone against nce snn bench, one thread, in the same minutes.

usage: snn_brian2.py PATH_TO_NCE [SECONDS] [REPEAT]      (Debian: python3-brian2 or python3-brian, g++)

Brian2 runs in double precision with -O3 -ffast-math -march=native (its defaults); the time compared is the CPU time of its run of
the network, without code generation, compilation and synapse creation.  Runs alternate, medians count."""
import re
import statistics
import subprocess
import sys
import tempfile

BRIAN = r'''
import sys
from brian2 import *
net, seconds, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
prefs.devices.cpp_standalone.openmp_threads = 0
prefs['devices.cpp_standalone.extra_make_args_unix'] = ['-j2']
set_device('cpp_standalone', directory=folder, build_on_run=False)
defaultclock.dt = 0.1*ms
seed(42)
if net == 'cuba':
    eqs = """dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
             dge/dt = -ge / (5*ms) : volt
             dgi/dt = -gi / (10*ms) : volt"""
    method, we, wi, unit = 'exact', 1.62*mV, -9*mV, volt
else:
    eqs = """dv/dt = (10*nS*(-60*mV - v) + ge*(-v) + gi*(-80*mV - v)) / (200*pF) : volt (unless refractory)
             dge/dt = -ge / (5*ms) : siemens
             dgi/dt = -gi / (10*ms) : siemens"""
    method, we, wi = 'exponential_euler', 6*nS, 67*nS
P = NeuronGroup(4000, eqs, threshold='v > -50*mV', reset='v = -60*mV', refractory=5*ms, method=method)
P.v = '-60*mV + 10*mV*rand()'
if net == 'coba':
    P.ge = '(randn() * 1.5 + 4) * 10*nS'
    P.gi = '(randn() * 12 + 20) * 10*nS'
Ce = Synapses(P, P, on_pre='ge += we')
Ci = Synapses(P, P, on_pre='gi += wi')
Ce.connect('i < 3200', p=0.02)
Ci.connect('i >= 3200', p=0.02)
s = SpikeMonitor(P)
run(seconds*second)
device.build(directory=folder, compile=True, run=False)
device.run(folder, with_output=False, run_args=[])
print('rate', s.num_spikes / 4000 / seconds, 'run', device._last_run_time)
'''


def brian(net, seconds, repeat):
    """Median CPU time of a run of the network, and the rate.  A second program, a tenth as long, takes as long to make the
    synapses: the difference is the run."""
    with tempfile.TemporaryDirectory() as folder:
        script = folder + '/net.py'
        with open(script, 'w') as f:
            f.write(BRIAN)
        out = subprocess.run([sys.executable, script, net, str(seconds), folder + '/out'], capture_output=True, text=True)
        if out.returncode != 0:
            sys.exit('Brian2: ' + out.stderr[-2000:])
        rate = float(re.search(r'rate (\S+)', out.stdout).group(1))
        full = cpu_times(folder + '/out', repeat)
        with open(folder + '/out/main.cpp') as f:
            main = f.read()
        main, n = re.subn(r'(\w+network\.run\()[0-9.e+-]+', lambda m: f'{m.group(1)}{seconds / 10!r}', main)
        if n != 1:
            sys.exit('Brian2: its main.cpp has no single call of network.run')
        with open(folder + '/out/main.cpp', 'w') as f:
            f.write(main)
        subprocess.run(['make', '-j2'], cwd=folder + '/out', capture_output=True, check=True)
        return (full - cpu_times(folder + '/out', repeat)) / 0.9, rate


def cpu_times(folder, repeat):
    times = []
    for _ in range(repeat):
        before = user_seconds()
        subprocess.run(['./main'], cwd=folder, capture_output=True, check=True)
        times.append(user_seconds() - before)
    return statistics.median(times)


def user_seconds():
    import resource
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime


def ours(nce, net, precision, seconds, repeat):
    out = subprocess.run([nce, 'snn', 'bench', '--net', net, '--precision', precision, '--seconds', str(seconds),
                          '--repeat', str(repeat)], capture_output=True, text=True, check=True).stdout
    return float(re.search(r'cpu (\S+) s', out).group(1)), float(re.search(r'mean rate (\S+) Hz', out).group(1))


def main():
    nce = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    repeat = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    for net in ('cuba', 'coba'):
        run, rate = brian(net, seconds, repeat)
        print(f'{net}: Brian2 {run:.3f} s for {seconds:g} s of model time (rate {rate:.2f} Hz)')
        for precision in ('f32', 'f64'):
            cpu, our_rate = ours(nce, net, precision, seconds, repeat)
            print(f'  nce {precision} {cpu:.3f} s, {run / cpu:.2f} times as fast, real-time factor {cpu / seconds:.4f}, rate {our_rate:.2f} Hz')


if __name__ == '__main__':
    main()
