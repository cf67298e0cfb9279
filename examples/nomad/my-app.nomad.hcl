# An app that gets both headers of Finicity's API from Nomad, in a file in memory:
#
#     nomad job run my-app.nomad.hcl
#
# Adjust the lines marked with EDIT.
job "my-app" {
  group "my-app" {
    count = 2

    task "my-app" {
      driver = "docker"

      config {
        image = "registry.example.com/my-app:1.0.0" # EDIT
      }

      # The workload identity of the task logs in to Vault. README.md has the role.
      vault {
        role = "my-app"

        # A new Vault token does not matter to the app: it has only the headers.
        change_mode = "noop"
      }

      template {
        data                 = <<-END
          {{ with secret "finicity/static-token" -}}
          Finicity-App-Key: {{ .Data.app_key }}
          Finicity-App-Token: {{ .Data.token }}
          {{ end -}}
          END
        destination          = "${NOMAD_SECRETS_DIR}/finicity.headers"
        error_on_missing_key = true
        perms                = "0444" # Only this task sees the folder. "0400" if it runs as root.

        # The app reads the file before each call. For an app that reads it once:
        # "restart".
        change_mode = "noop"
      }

      env {
        FINICITY_HEADERS = "${NOMAD_SECRETS_DIR}/finicity.headers"
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
