# Vault Agent runs the app with the values of both headers in its environment, and
# restarts the app when they change:
#
#     vault agent -config=exec.hcl
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

env_template "FINICITY_APP_KEY" {
  contents             = "{{ with secret \"finicity/token\" }}{{ .Data.app_key }}{{ end }}"
  error_on_missing_key = true
}

env_template "FINICITY_APP_TOKEN" {
  contents             = "{{ with secret \"finicity/token\" }}{{ .Data.token }}{{ end }}"
  error_on_missing_key = true
}

exec {
  command                   = ["./app"] # EDIT
  restart_on_secret_changes = "always"
  restart_stop_signal       = "SIGTERM"
}
