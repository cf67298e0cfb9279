# A job that rotates the partner secret, if you do not want rotation_period or rotation_schedule. It gets the time of the
# rotation, and no secret. It can't change where the secret is sent.
path "finicity/rotate-root" {
  capabilities = ["update"]
}
