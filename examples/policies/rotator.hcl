# For a job that rotates the partner secret, in place of rotation_period or
# rotation_schedule. The job gets the time of the rotation, and no secret. It cannot
# change the address that the secret is sent to.
path "finicity/rotate-root" {
  capabilities = ["update"]
}
