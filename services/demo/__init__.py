"""`cwpipe demo`: the whole pipeline on this machine, with stand-ins at both ends.

demo         what the command does, and what it shows
cloudwatch   a CloudWatch Logs that runs here: moto's server, as a process
lines        real log lines of this machine, and made-up ones of sshd and of an application
loader       puts them into the stand-in, as applications would
receiver     a stand-in for analysisd: reads the socket, and counts by group what arrived
stats        what it answers when asked how far it is
"""
