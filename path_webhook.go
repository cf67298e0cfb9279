// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

func (b *backend) pathWebhookVerify() *framework.Path {
	return &framework.Path{
		Pattern: "webhook/verify",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "verify", OperationSuffix: "webhook",
		},
		Fields: map[string]*framework.FieldSchema{
			"input": {
				Type:         framework.TypeString,
				Required:     true,
				Description:  "The raw body of the webhook, exactly as received, in base64. At most 1 MiB before encoding.",
				DisplayAttrs: &framework.DisplayAttributes{Name: "Body, in base64", Group: groupWebhook},
			},
			"signature": {
				Type:         framework.TypeString,
				Required:     true,
				Description:  "The value of the header X-Finicity-Signature.",
				DisplayAttrs: &framework.DisplayAttributes{Name: "Signature", Group: groupWebhook},
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			// Only reads storage, so every node can respond without forwarding.
			logical.UpdateOperation: &framework.PathOperation{
				Callback: b.webhookVerify,
				Summary:  "Check the signature of a Connect webhook, without a call to Finicity.",
				Responses: singleResponse(http.StatusOK, "The verdict.", map[string]*framework.FieldSchema{
					"valid": {
						Type: framework.TypeBool, Required: true,
						Description: "Whether the webhook was signed with the partner secret.",
					},
					"secret_version": {
						Type: framework.TypeString, AllowedValues: []any{signedByCurrent, signedByPrevious},
						Description: "Which secret signed it: current, or previous for some days after a rotation. Only if valid.",
					},
				}),
			},
		},
		HelpSynopsis:    "Check the signature of a Connect webhook.",
		HelpDescription: strings.TrimSpace(webhookHelp),
	}
}

const (
	signedByCurrent  = "current"
	signedByPrevious = "previous"

	maxWebhook = 1 << 20 // bytes, of a body
)

func (b *backend) webhookVerify(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	body, signature, err := webhookOf(d)
	if err != nil {
		return logical.ErrorResponse(err.Error()), nil
	}
	current, previous, err := b.engine.Signers(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	// Always check both lists, so that the time taken reveals nothing.
	byCurrent, byPrevious := signedBy(current, body, signature), signedBy(previous, body, signature)
	data := map[string]any{"valid": byCurrent || byPrevious}
	switch {
	case byCurrent:
		data["secret_version"] = signedByCurrent
	case byPrevious:
		data["secret_version"] = signedByPrevious
	}
	return &logical.Response{Data: data}, nil
}

// webhookOf reads the fields of a request. Its errors name the field and never its value.
func webhookOf(d *framework.FieldData) (body []byte, signature string, err error) {
	input, given := fieldValue[string](d, "input")
	if !given {
		return nil, "", fmt.Errorf("field %q is required: send the raw body of the webhook in base64", "input")
	}
	if base64.StdEncoding.DecodedLen(len(input)) > maxWebhook+2 { // Up to two bytes of it are padding.
		return nil, "", fmt.Errorf("field %q is too long: the maximum is 1 MiB before encoding", "input")
	}
	if body, err = base64.StdEncoding.DecodeString(input); err != nil {
		return nil, "", fmt.Errorf("field %q is not base64: base64-encode the raw body as received, before any parsing",
			"input")
	}
	if len(body) > maxWebhook {
		return nil, "", fmt.Errorf("field %q is too long: the maximum is 1 MiB before encoding", "input")
	}
	signature, _ = fieldValue[string](d, "signature")
	if signature == "" {
		return nil, "", fmt.Errorf("field %q is required: send the value of the header X-Finicity-Signature", "signature")
	}
	// A signature that is not hex is not an error: the sender of the webhook chose it, so
	// the response must be that it is not valid.
	return body, strings.ToLower(strings.TrimSpace(signature)), nil
}

// signedBy reports whether the body was signed with one of the secrets. By Finicity's
// partner documentation, a signature is the hex HMAC-SHA256 of the exact bytes.
func signedBy(secrets []string, body []byte, signature string) (signed bool) {
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = mac.Write(body) // Never fails, by the documentation of package hash.
		if hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(signature)) {
			signed = true
		}
	}
	return signed
}

const webhookHelp = `
Finicity signs each Connect webhook with the partner secret, which only this engine knows after a rotation.
Base64-encode the raw body as received, before any parsing, and send it with the value of the header
X-Finicity-Signature:

    vault write finicity/webhook/verify input=… signature=…

For four days after a rotation, or 30 with secret_grace_period, a webhook signed with the previous secret is valid
too. A secret counts only if Finicity has accepted it or the engine has sent it. A webhook can arrive twice, so keep
its eventId.
`
