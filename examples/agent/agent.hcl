# Vault Agent writes both headers of Finicity's API to a file, and keeps the file up to date:
#
#     vault agent -config=agent.hcl
#
# Adjust the lines marked with EDIT. Paths are relative to the folder that the agent is started in.
pid_file = "agent.pid"

vault {
  address = "https://vault.example.com:8200" # EDIT. VAULT_ADDR in the environment takes precedence.
}

auto_auth {
  method "approle" {
    # While Vault is unreachable, the agent retries at least this often, also to read
    # the token.
    max_backoff = "10s"

    config = {
      role_id_file_path   = "role-id"   # EDIT
      secret_id_file_path = "secret-id" # EDIT

      # Otherwise a restarted agent cannot log in.
      remove_secret_id_file_after_reading = false
    }
  }
}

template {
  source               = "headers.ctmpl"
  destination          = "finicity.headers" # EDIT
  perms                = "0600"             # EDIT: 0640 if the app runs as another user of the same group
  error_on_missing_key = true
}
