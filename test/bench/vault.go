// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"path/filepath"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// vault is a separate server for each measurement.
type vault struct {
	*vaulttest.Server

	plugins string // The plugin directory.
}

// start starts a server with this storage, whose files are in that folder.
func (p *plan) start(ctx context.Context, dir, storage string) (*vault, error) {
	v := &vault{plugins: filepath.Join(dir, "plugins")}
	var err error
	if v.Server, err = vaulttest.New(vaulttest.Config{
		Bin: p.vault, Dir: dir, PluginDir: v.plugins, Storage: storage, TMPDIR: filepath.Dir(dir),
	}); err != nil {
		return nil, err
	}
	if err := v.Start(ctx); err != nil {
		return nil, errors.Join(err, v.Stop())
	}
	return v, nil
}

// pluginName returns the name under which a plugin is registered.
func pluginName(program string) string { return filepath.Base(program) }

// mount installs and registers a plugin, and mounts it at each of the paths.
func (v *vault) mount(ctx context.Context, plugin string, paths ...string) error {
	installed, err := vaulttest.Install(ctx, plugin, v.plugins)
	if err != nil {
		return err
	}
	name := pluginName(installed)
	if err := v.Register(ctx, name); err != nil {
		return err
	}
	for _, path := range paths {
		if err := v.Mount(ctx, name, path); err != nil {
			return err
		}
	}
	return nil
}

// finicity is the mock server, with several partners.
type finicity struct {
	*fakefinicity.Server

	partners []fakefinicity.Partner
	http     *httptest.Server
}

func newFinicity(partners int) *finicity {
	f := &finicity{}
	for i := range partners {
		f.partners = append(f.partners, fakefinicity.Partner{
			ID: fmt.Sprintf("1%012d", i+1), Secret: fmt.Sprintf("Fake-Sandbox-Secret-%d", i+1), AppKey: fmt.Sprintf("fake-sandbox-app-key-%d", i+1),
		})
	}
	f.Server = fakefinicity.New(fakefinicity.Config{Partners: f.partners})
	f.http = httptest.NewServer(f.Server)
	return f
}

// config returns the configuration of a partner's mount, with additional fields.
func (f *finicity) config(partner int, more map[string]any) map[string]any {
	p := f.partners[partner]
	config := map[string]any{"partner_id": p.ID, "partner_secret": p.Secret, "app_key": p.AppKey, "base_url": f.http.URL}
	maps.Copy(config, more)
	return config
}

func (f *finicity) close() {
	f.http.Close()
	f.Close()
}
