// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

func (b *backend) pathRotateRoot() *framework.Path {
	return &framework.Path{
		Pattern: "rotate-root",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "rotate", OperationSuffix: "root",
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback:                    b.rotateRoot,
				Summary:                     "Replace the partner secret, at Finicity and here.",
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses: one(http.StatusOK, "The secret is rotated.", map[string]*framework.FieldSchema{
					"last_vault_rotation": {
						Type: framework.TypeString, Required: true, Description: "When that was, in RFC 3339.",
					},
				}),
			},
		},
		HelpSynopsis:    "Replace the partner secret, at Finicity and here.",
		HelpDescription: strings.TrimSpace(rotateRootHelp),
	}
}

func (b *backend) rotateRoot(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	ctx, cfg, err := b.lockConfig(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	defer b.unlock()

	failure, err := b.rotateNow(ctx, req.Storage, cfg)
	b.rotated(ctx, string(req.Operation), &cfg.Credential, err)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	resp := &logical.Response{Data: map[string]any{
		"last_vault_rotation": cfg.Credential.LastRotation.Format(time.RFC3339),
	}}
	if failure != nil {
		resp.AddWarning(fmt.Sprintf("the secret is rotated and stored, but the first authentication with it failed: %s",
			failure))
	}
	return resp, nil
}

// rotateNow rotates for a person, when it is known which secret is in force: with a wrong one the change would be refused,
// and the right one not be tried.
func (b *backend) rotateNow(ctx context.Context, s logical.Storage, cfg *config) (failure, err error) {
	if pending := cfg.Credential.Pending != nil; cfg.Credential.unproven() {
		if _, err := b.renew(ctx, s, cfg, person, b.tokens.epoch()); err != nil && pending {
			return nil, err
		} else if err != nil {
			return nil, fmt.Errorf("the secret has not changed: %w", err)
		}
	}
	return b.rotate(ctx, s, cfg, person)
}

// rotate replaces the partner secret, which must be settled. The upstream lock must be held, and ctx must not end with the
// caller's request. When the secret is rotated but no token could be had with it yet, failure says why.
//
// At each line the process may die, so before each one storage holds whatever Finicity may hold after it.
func (b *backend) rotate(ctx context.Context, s logical.Storage, cfg *config, by who) (failure, err error) {
	save := func() error { return b.saveConfig(ctx, s, cfg) }
	cred := &cfg.Credential
	if cred.crowded(by) {
		return nil, tooMany(by)
	}
	old := finicityapi.Credential{PartnerID: cred.PartnerID, PartnerSecret: cred.Current, AppKey: cred.AppKey}
	hash, err := b.keyedHash(ctx, s)
	if err != nil {
		return nil, err
	}
	secret, err := b.newSecret(ctx, cfg, hash)
	if err != nil {
		return nil, err
	}
	if _, err := b.allowed(ctx, s, cfg, hash, by); err != nil {
		return nil, fmt.Errorf("the secret has not changed: %w", err)
	}
	// Settling waits for one time-out from here on, so the call must be over by then, however long storage takes.
	limit := cfg.RequestTimeout
	sent, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no complete answer within %s", limit))
	defer cancel()
	cred.propose(secret, cfg.SecretGracePeriod, limit, b.now().UTC())
	if err := save(); err != nil {
		return nil, fmt.Errorf("the rotation was not begun, and nothing was sent to Finicity: %w", err)
	}

	// A refusal here is no verdict on the current secret: it may be the answer to a request that a gateway sent twice.
	err = b.attempt(ctx, s, cfg, "", by, func(client *finicityapi.Client) error {
		return client.ModifySecret(sent, old, secret, cfg.SecretGracePeriod)
	})
	b.tokens.note(err, time.Now())
	if err != nil {
		return nil, b.notRotated(cred, save, err)
	}
	cred.promote(b.now().UTC(), hash)
	cfg.Plan.rotated()
	if err := save(); err != nil {
		return nil, fmt.Errorf("the secret has changed, but storage failed when that was to be noted; the new secret is "+
			"stored as pending, and the engine makes up for it before the credential is used next: %w", err)
	}

	// The old token goes only now: while the new one was not there, it was the best to be had.
	t, err := b.authenticate(ctx, s, cfg, cred.Current, by)
	b.tokens.note(err, time.Now())
	b.tokens.drop()
	if err != nil {
		return err, nil
	}
	b.publish(ctx, s, cfg, t, b.tokens.epoch())
	return nil, nil
}

// rotated tells of the outcome of a rotation.
func (b *backend) rotated(ctx context.Context, operation string, cred *credential, err error) {
	if err != nil {
		b.Logger().Warn("rotation failed", "partner_id", cred.PartnerID, "error", err)
		b.tell(ctx, eventRotateFail, operation, "partner_id", cred.PartnerID, "error", err.Error())
		return
	}
	b.Logger().Info("rotated the partner secret", "partner_id", cred.PartnerID)
	b.tellRotated(ctx, operation, cred)
}

// policyDraws is how many secrets are drawn to see whether a password policy is good, or until one of them is.
const policyDraws = 10

// newSecret makes a secret by Finicity's rules that was never in force here, by the password policy if there is one.
func (b *backend) newSecret(ctx context.Context, cfg *config, hash keyedHash) (secret string, err error) {
	if cfg.PasswordPolicy == "" {
		return generateSecret()
	}
	for range policyDraws {
		if secret, err = b.drawSecret(ctx, cfg, hash); err == nil {
			return secret, nil
		}
	}
	return "", err
}

func (b *backend) drawSecret(ctx context.Context, cfg *config, hash keyedHash) (string, error) {
	refuse := func(why string) error {
		return refused(fmt.Sprintf("field \"password_policy\": %s: look at it with vault read sys/policies/password/%s",
			why, cfg.PasswordPolicy))
	}
	secret, err := b.System().GeneratePasswordFromPolicy(ctx, cfg.PasswordPolicy)
	if err != nil { // One opaque error, whatever is wrong with the policy.
		return "", refuse(fmt.Sprintf("Vault makes no secret by the policy %q", cfg.PasswordPolicy))
	}
	if err := checkSecretRules(secret); err != nil {
		return "", refuse(fmt.Sprintf("Finicity would not take what the policy %q makes: %v", cfg.PasswordPolicy, err))
	}
	if _, found := cfg.Credential.rotatedAwayAt(secret, hash); found || slices.Contains(cfg.Credential.candidates(), secret) {
		return "", refuse(fmt.Sprintf("the policy %q has made a secret that it had made before", cfg.PasswordPolicy))
	}
	return secret, nil
}

// notRotated deals with a change of secret that failed, as far as can be known.
func (b *backend) notRotated(cred *credential, save func() error, err error) error {
	var failure *finicityapi.Error
	if errors.As(err, &failure) && failure.Ambiguous() {
		return fmt.Errorf("whether the secret has changed is unknown; both are stored, and the engine finds out "+
			"before the credential is used next: %w", &unanswered{failure})
	}
	// With a grace period the old secret is good for a gateway's second copy of the call, and a policy may forbid what the
	// first one has done.
	again := cred.Pending.Grace && failure != nil && failure.Class == finicityapi.RefusedByPolicy
	said := "the secret has not changed"
	if failure == nil || failure.Unchanged() && !again {
		cred.withdraw()
	} else {
		_, oldRefused := failure.SecretRefused()
		cred.doubt(oldRefused, b.now().UTC())
		said = "by this answer " + said
	}
	if storage := save(); storage != nil {
		return fmt.Errorf("%s: %w (storage failed too: %w)", said, err, storage)
	}
	return fmt.Errorf("%s: %w", said, err)
}

// tooMany is for a change that is not made because of those that got no answer before it.
func tooMany(by who) refused {
	const aside = "the secret has not changed, and nothing was sent: changes before it got no clear answer, and may come " +
		"into force yet. "
	if by < person {
		return refused(fmt.Sprintf(aside+"With one more of them, %d attempts might not find the right one. The schedule goes on "+
			"when the oldest is given up, after a day, or 32 with secret_grace_period; rotate-root does not wait for that", attemptsMost))
	}
	return refused(aside + "One more would push out the only copy of one. The oldest is given up after a day, or 32 with " +
		"secret_grace_period, and then another change can be made")
}

const rotateRootHelp = `
Generates a new partner secret, changes it at Finicity and stores it. Nobody sees it, and the old one is refused from
then on, or for 30 days longer with secret_grace_period.

    vault write -f finicity/rotate-root

The new secret is stored before it is sent. Whatever fails after that, the engine finds out which of the two Finicity
holds before it uses the credential again. Until then rotation_pending is true:

    vault read finicity/status

rotation_period or rotation_schedule have this done by itself:

    vault write finicity/config rotation_period=720h
`
