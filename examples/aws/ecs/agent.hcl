# Vault Agent for an ECS task. It logs in with the task's IAM role, and writes both headers
# of Finicity's API to the volume that it shares with the app. task-definition.json
# contains this file.
#
# Adjust the lines marked with EDIT.
vault {
  address = "https://vault.example.com:8200" # EDIT
}

auto_auth {
  method "aws" {
    mount_path = "auth/aws"

    # While Vault is unreachable, the agent retries at least this often, also to read
    # the token.
    max_backoff = "10s"

    config = {
      type = "iam"
      role = "my-app"
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
  destination          = "/finicity/finicity.headers"
  perms                = "0444" # Only the containers of this task see the volume.
  error_on_missing_key = true
}
