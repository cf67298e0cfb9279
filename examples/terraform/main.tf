# Registers the plugin, mounts the engine, configures it and writes the policies.
# README.md describes the order of the steps, the content of the state file, and what
# changes after a rotation. Adjust the lines marked with EDIT.
#
# test/e2e/testdata/terraform.txtar runs the files of this folder unchanged, with
# OpenTofu, a real Vault server, and a substitute for HashiCorp's provider that makes
# the same requests (tools/terraform-provider). HashiCorp publishes the provider in the
# Terraform registry, and no recent release as a Go module. README.md lists what was run
# once with the real provider.
terraform {
  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.0, < 6.0"
    }
  }
}

# VAULT_ADDR and VAULT_TOKEN in the environment. The token needs only policy.hcl.
provider "vault" {}

variable "plugin" {
  description = "The plugin in the plugin directory of every node: file name, reported version, SHA-256 checksum."
  type = object({
    command = string
    version = string
    sha256  = string
    # For example ["HTTPS_PROXY=http://proxy.internal:3128"]. Set it again for each
    # version.
    env = optional(list(string), [])
  })
}

variable "rotation_period" {
  description = "Interval between rotations in seconds, 2592000 for 30 days. Use 0 until no app uses the secret itself."
  type        = number
  default     = 0
}

resource "vault_plugin" "finicity" {
  type    = "secret"
  name    = "vault-plugin-secrets-finicity"
  command = var.plugin.command
  version = var.plugin.version
  sha256  = var.plugin.sha256
  env     = var.plugin.env

  lifecycle {
    # A new version is a new entry in the catalog, created before the old one is
    # removed. In the opposite order, the mount would have no plugin for a while, and a
    # Vault server that is unsealed at that time could not start the engine.
    create_before_destroy = true
  }
}

resource "vault_mount" "finicity" {
  path        = "finicity" # EDIT, and the paths in the policies
  type        = vault_plugin.finicity.name
  description = "Tokens for Finicity"

  # Without this line, the mount keeps the version that it was created with. A change
  # takes effect with the next reload.
  plugin_version = vault_plugin.finicity.version

  # The audit log shows times and states in plain text, for alerts. All other values
  # stay HMACs.
  audit_non_hmac_response_keys = [
    "authentication", "expire_time", "issue_time", "last_vault_rotation", "next_vault_rotation", "partner_id",
  ]

  # EDIT: no token lives longer than two hours. With a lower value, agents read more
  # often, which costs no authentication.
  max_lease_ttl_seconds = 2 * 3600

  lifecycle {
    # After a rotation, only the mount has a copy of the secret. This line protects the
    # mount only while it is in this file: if you remove the whole block, the next apply
    # unmounts the engine. To make Terraform forget the mount, first run `terraform
    # state rm vault_mount.finicity`.
    prevent_destroy = true
  }
}

# The credential is in a separate resource (credential.tf). Terraform must send the
# credential once and then ignore it, but must keep managing the settings below. A write
# of config does not change the fields that it leaves out.
resource "vault_generic_endpoint" "settings" {
  depends_on = [vault_generic_endpoint.credential]
  path       = "${vault_mount.finicity.path}/config"

  # Use the form in which Vault returns the values: it returns "30s" as a number of
  # seconds, which would be a difference in each plan. Do not set base_url, ca_cert or
  # partner_id here: a change needs the secret in the same write.
  data_json = jsonencode({
    request_timeout = 30 # EDIT
    rotation_period = var.rotation_period
  })

  ignore_absent_fields = true # Ignore the other fields that a read returns.
  disable_delete       = true # A delete of config would also delete the credential.
}

resource "vault_policy" "finicity" {
  for_each = toset(["reader", "webhook", "rotator", "monitor", "operator"]) # EDIT
  name     = "finicity-${each.key}"
  policy   = file("${path.module}/../policies/${each.key}.hcl")
}
