"""The sandbox in which students' code runs, and the warm server that forks its kernels.

Three layers, from the outside in: a bubble of namespaces in which most of the machine does not
exist (``bubble``), a server in it that forks kernels and ends them with all they started
(``forkserver``), and what each kernel does to itself before it reads a word (``confine``).
``doctor`` tries whether they hold. What a kernel may import of the course is ``view``'s business.
"""
