# What bash does at login.

if [ -f ~/.bashrc ]; then
    . ~/.bashrc
fi
