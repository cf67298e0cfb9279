# For a job that rotates the partner secret, if you do not use rotation_period or rotation_schedule. The job gets the time
# of the rotation, and no secret. It can't change where the engine sends the secret.
path "finicity/rotate-root" {
  capabilities = ["update"]
}
