# Records the package of what a stage provides in the RPM database of its image: given.sh, after database.sh.
# SOURCE_DATE_EPOCH is the time of the transaction.

set -eu
rpm --initdb
rpm -i --justdb --replacepkgs /mnt/given.rpm
close_database "$(rpm --eval '%{_dbpath}')"
