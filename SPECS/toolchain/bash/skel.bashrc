# What every bash does that somebody types into.

if [ -f /etc/bashrc ]; then
    . /etc/bashrc
fi
