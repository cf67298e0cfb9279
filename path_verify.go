// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

func (b *backend) pathConfigVerify() *framework.Path {
	return &framework.Path{
		Pattern: "config/verify",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "verify", OperationSuffix: "configuration",
		},
		Fields: map[string]*framework.FieldSchema{
			"force": {
				Type: framework.TypeBool,
				Description: "Make the attempt although the engine's limit of four is reached. " +
					"If it fails, Finicity may lock the partner.",
				DisplayAttrs: &framework.DisplayAttributes{Name: "Force the attempt", Group: groupVerification},
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback:                    b.configVerify,
				Summary:                     "Authenticate with the stored credential, also when automatic attempts are stopped.",
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   written(),
			},
		},
		HelpSynopsis:    "Authenticate with the stored credential, also when automatic attempts are stopped.",
		HelpDescription: strings.TrimSpace(configVerifyHelp),
	}
}

func (b *backend) configVerify(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	by := person
	if force, _ := fieldValue[bool](d, "force"); force {
		by = forced
	}
	ctx, cfg, err := b.lockConfig(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	defer b.unlock()

	if _, err := b.renew(ctx, req.Storage, cfg, by, b.tokens.epoch()); err != nil {
		return respond(req.MountPoint, err)
	}
	return nil, nil //nolint:nilnil // That is how the framework is told of success without data.
}

const configVerifyHelp = `
After two refusals by Finicity the engine makes no further attempt by itself, because five lock the partner. What it was
refused for is in the status. When the cause is out of the way, this makes one attempt. If it succeeds, everything is as
before, and its token becomes the shared one. A rotation that is pending is settled by it.

    vault read finicity/status
    vault write -f finicity/config/verify

Without force no attempt is made once four have been refused, or have got no answer, since the last success. With it, the
next refusal may lock the partner, so be sure of the credential first:

    vault write finicity/config/verify force=true
`
