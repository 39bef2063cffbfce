# Permits Drydock to make containers for ordinary users, and nothing that it may not do without a profile.
abi <abi/4.0>,
include <tunables/global>

profile drydock "PROGRAM" flags=(unconfined) {
  userns,

  include if exists <local/drydock>
}
