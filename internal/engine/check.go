// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// Check connects to Finicity with the same client as the real calls, without a
// credential. It returns the address that it used. A nil argument stands for the
// configured value, or else the default.
//
// Check takes no lock, stores nothing, and affects neither attempts nor the back-off.
func (e *Engine) Check(ctx context.Context, s logical.Storage, baseURL, caCert *string) (
	address string, report finicityapi.Report, err error,
) {
	st, err := e.view(ctx, s)
	if err != nil {
		return "", finicityapi.Report{}, err
	}
	settings := st.Settings
	if !st.Configured() {
		settings = defaultSettings()
	}
	if err := settings.setAddress(baseURL, caCert); err != nil {
		return "", finicityapi.Report{}, err
	}
	client, err := e.client(ctx, &settings)
	if err != nil {
		return "", finicityapi.Report{}, err
	}
	return settings.BaseURL, client.Check(ctx), nil
}
