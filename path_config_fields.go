// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"maps"
	"time"

	"github.com/hashicorp/vault/sdk/framework"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// Groups of the fields in Vault's web interface.
const (
	groupCredential   = "Credential"
	groupConnection   = "Connection"
	groupRotation     = "Rotation"
	groupDeletion     = "Deletion"
	groupVerification = "Verification"
	groupToken        = "Token"
	groupWebhook      = "Webhook"
)

// configFields are the fields of a write.
func configFields() map[string]*framework.FieldSchema {
	fields := map[string]*framework.FieldSchema{
		"partner_secret": {
			Type:        framework.TypeString,
			Description: "The partner secret. Required on the first write, never returned.",
			DisplayAttrs: &framework.DisplayAttributes{
				Name: "Partner secret", Group: groupCredential, Sensitive: true,
			},
		},
		"app_key": {
			Type:        framework.TypeString,
			Description: "The app key. Required on the first write, not returned here.",
			DisplayAttrs: &framework.DisplayAttributes{
				Name: "App key", Group: groupCredential, Sensitive: true,
			},
		},
		"verify_connection": {
			Type:         framework.TypeBool,
			Default:      true,
			Description:  "Authenticate once with a credential before storing it. This field is not stored.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Verify the connection", Group: groupConnection},
		},
		"force": {
			Type:         framework.TypeBool,
			Query:        true,
			Description:  "On delete: discard the secret even if the engine might have the only copy: after a rotation, or while one is pending.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Force the deletion", Group: groupDeletion},
		},
	}
	maps.Copy(fields, configSettings())
	return fields
}

// configShown are the fields of a read.
func configShown() map[string]*framework.FieldSchema {
	fields := configSettings()
	fields["partner_id"].Description = "The partner ID, from the Finicity developer portal."
	for name, description := range map[string]string{
		"last_vault_rotation": "When Finicity first accepted the secret of the last rotation, in RFC 3339. Null if there was none.",
		"next_vault_rotation": "When the schedule rotates next, or retries. Null without a schedule, and while it is paused or stopped.",
	} {
		fields[name] = &framework.FieldSchema{Type: framework.TypeString, Description: description}
	}
	fields["rotation_pending"] = &framework.FieldSchema{
		Type:        framework.TypeBool,
		Description: "Whether the outcome of a rotation is unknown. The engine resolves it automatically.",
	}
	for _, field := range fields {
		field.Required, field.Default = true, nil
		if field.Type == framework.TypeDurationSecond { // In OpenAPI that is a string such as 30s; a read returns a number.
			field.Type = framework.TypeInt64
			field.Description = "In seconds. " + field.Description
		}
	}
	return fields
}

// configSettings are the fields that a write takes and a read returns.
func configSettings() map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		"partner_id": {
			Type:         framework.TypeString,
			Description:  "The partner ID, from the Finicity developer portal. Required on the first write.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Partner ID", Group: groupCredential, Identifier: true},
		},
		"base_url": {
			Type:         framework.TypeString,
			Default:      finicityapi.DefaultBaseURL,
			Description:  "Address of the API, without Finicity's own path. https only, except for a loopback host.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Base URL", Group: groupConnection},
		},
		"ca_cert": {
			Type:        framework.TypeString,
			Description: "PEM bundle that replaces the system roots, for a proxy that inspects TLS.",
			DisplayAttrs: &framework.DisplayAttributes{
				Name: "CA certificates", Group: groupConnection, EditType: "file",
			},
		},
		"request_timeout": {
			Type:         framework.TypeDurationSecond,
			Default:      int(engine.DefaultRequestTimeout / time.Second),
			Description:  "Time limit of one request, from connecting to the last byte: 1s to 2m.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Request timeout", Group: groupConnection},
		},
		"token_lifetime": {
			Type:         framework.TypeDurationSecond,
			Default:      int(engine.DefaultTokenLifetime / time.Second),
			Description:  "How long the engine assumes that Finicity accepts a token: 1m to 2h.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Token lifetime", Group: groupConnection},
		},
		"password_policy": {
			Type:         framework.TypeString,
			Description:  "Vault password policy for new secrets. Without one, a new secret has 40 characters.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Password policy", Group: groupRotation},
		},
		"secret_grace_period": {
			Type:         framework.TypeBool,
			Description:  "Keep the old secret valid at Finicity for 30 days after a rotation.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Grace period for the old secret", Group: groupRotation},
		},
		"rotation_period": {
			Type:         framework.TypeDurationSecond,
			Description:  "How often to rotate. Minimum 1m; 720h (30 days) is a good choice. Replaces rotation_schedule; 0 for none.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Rotation period", Group: groupRotation},
		},
		"rotation_schedule": {
			Type:         framework.TypeString,
			Description:  "When to rotate: a five-field cron expression, in UTC. Replaces rotation_period; empty for none.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Rotation schedule", Group: groupRotation},
		},
		"rotation_window": {
			Type:         framework.TypeDurationSecond,
			Description:  "How long after a time of rotation_schedule a rotation may start. Minimum 1h; 0 disables the limit.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Rotation window", Group: groupRotation},
		},
		"disable_automated_rotation": {
			Type:         framework.TypeBool,
			Description:  "Keep the schedule, but rotate only manually.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Disable automated rotation", Group: groupRotation},
		},
	}
}

const configHelp = `
The first write needs partner_id, partner_secret and app_key. The engine authenticates once with a new credential, and
stores nothing unless Finicity accepts it. A field that is left out keeps its value. In a patch, null restores the
default.

    vault write finicity/config partner_id=… partner_secret=… app_key=…
    vault read finicity/token

To keep the secret off the command line, pass it on standard input with partner_secret=-, or all fields in a JSON file:

    vault write finicity/config @credential.json

If a value on the command line begins with @, write \@. Otherwise Vault reads the value from the file of that name.

With verify_connection=false, the engine stores the credential without verifying it, and tries it first the next time
it authenticates. Until then it serves the current token, unless the write changes the app key, base_url, ca_cert or
partner_id. If Finicity refused the credential in the last 24 hours, only config/verify tries it. If too few attempts
are left, the engine first tries the secret that Finicity accepted last. A warning says so.

A new base_url, ca_cert or partner_id needs partner_secret and app_key in the same write. After a rotation, only Vault
knows the secret: deleting the configuration, or disabling the mount, destroys the only copy.

To rotate automatically, set rotation_period or rotation_schedule:

    vault write finicity/config rotation_period=720h
    vault read -field=next_vault_rotation finicity/config

If the engine was down for more than six hours, the schedule is paused, because the data might be a restored copy.
config/verify resumes it.
`
