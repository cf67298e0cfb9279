# Vault Agent writes both headers of Finicity's API to a file in memory, for the app of
# my-app.service. finicity-agent.service runs it.
#
# Install it as /etc/finicity/agent.hcl, and adjust the lines marked with EDIT.
vault {
  address = "https://vault.example.com:8200" # EDIT
}

auto_auth {
  method "approle" {
    # While Vault is unreachable, the agent retries at least this often, also to read
    # the token.
    max_backoff = "10s"

    config = {
      role_id_file_path = "/etc/finicity/role-id"

      # systemd provides this copy for the agent alone.
      secret_id_file_path                 = "/run/credentials/finicity-agent.service/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template {
  contents             = <<-END
    {{ with secret "finicity/static-token" -}}
    Finicity-App-Key: {{ .Data.app_key }}
    Finicity-App-Token: {{ .Data.token }}
    {{ end -}}
    END
  destination          = "/run/finicity/finicity.headers"
  perms                = "0640" # The group is finicity.
  error_on_missing_key = true
}
