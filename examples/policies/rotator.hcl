# A job that rotates the partner secret, where rotation_period and rotation_schedule are not wanted. It learns when that
# was, and no secret. It can't change where the secret is sent.
path "finicity/rotate-root" {
  capabilities = ["update"]
}
