// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

var onKubernetes = flag.Bool("kubernetes", false, "run the scripts that need a Kubernetes API server")

// TestKubernetes runs the scripts that need a Kubernetes API server. Its programs take
// minutes to build, so only `make e2e-kubernetes` and `make e2e-external-secrets` run
// it.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	if !*onKubernetes {
		t.Skip("needs a Kubernetes API server: make e2e-kubernetes, make e2e-external-secrets")
	}
	runScripts(t, filepath.Join("testdata", "kubernetes"))
}

// controlPlane is a Kubernetes API server with its etcd, on loopback addresses. There is
// no controller manager, scheduler or kubelet: no controller creates the pods of a
// Deployment, and no pod runs.
type controlPlane struct {
	address string
	kubectl string
}

// startControlPlane starts it and waits until it is ready. kubectl finds it and the
// rights of an administrator in $HOME/.kube/config.
func (w *fixture) startControlPlane(ts *testscript.TestScript) {
	programs := map[string]string{}
	for name, variable := range map[string]string{
		"etcd": "FINICITY_E2E_ETCD", "kube-apiserver": "FINICITY_E2E_KUBE_APISERVER", "kubectl": "FINICITY_E2E_KUBECTL",
	} {
		path, err := located(variable)
		ts.Check(err)
		programs[name] = path
	}
	var ports [3]int
	for i := range ports {
		port, err := vaulttest.FreePort()
		ts.Check(err)
		ports[i] = port
	}
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	w.cluster = &controlPlane{address: fmt.Sprintf("https://127.0.0.1:%d", ports[2]), kubectl: programs["kubectl"]}
	dir := filepath.Join(w.dir, "kubernetes")
	certificates := filepath.Join(dir, "certificates")
	ts.Check(os.MkdirAll(certificates, 0o700))
	ts.Check(writeServiceAccountKeys(dir))
	admin := rand.Text()
	ts.Check(os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(admin+",admin,admin,system:masters\n"), 0o600))

	w.launch(ts, "etcd", programs["etcd"], "--data-dir="+filepath.Join(dir, "etcd"), "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls="+client, "--advertise-client-urls="+client, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer)
	w.launch(ts, "kube-apiserver", programs["kube-apiserver"],
		"--etcd-servers="+client, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[2]),
		"--cert-dir="+certificates, "--token-auth-file="+filepath.Join(dir, "tokens.csv"), "--authorization-mode=RBAC",
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+filepath.Join(dir, "sa.pub"), "--service-account-signing-key-file="+filepath.Join(dir, "sa.key"))

	// The API server creates its certificate, and the CA that signed it, in one file.
	authority := filepath.Join(certificates, "apiserver.crt")
	config, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": []any{map[string]any{"name": "test", "cluster": map[string]any{"server": w.cluster.address, "certificate-authority": authority}}},
		"users":    []any{map[string]any{"name": "admin", "user": map[string]any{"token": admin}}},
		"contexts": []any{map[string]any{"name": "test", "context": map[string]any{"cluster": "test", "user": "admin"}}},
	})
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Join(w.dir, ".kube"), 0o700))
	ts.Check(os.WriteFile(filepath.Join(w.dir, ".kube", "config"), config, 0o600))
	ts.Setenv("PATH", filepath.Dir(w.cluster.kubectl)+string(os.PathListSeparator)+ts.Getenv("PATH"))
	ts.Setenv("KUBERNETES", w.cluster.address)
	ts.Setenv("KUBERNETES_CA", authority)
	var failure error
	ts.Check(poll(func() (bool, error) {
		for _, name := range []string{"etcd", "kube-apiserver"} {
			if err := w.children[name].failed(); err != nil {
				return false, err
			}
		}
		_, failure = w.kubectl("", "get", "--raw=/readyz")
		return failure == nil, nil
	}, func() error { return failure }))
}

// stop ends the API server first: without etcd, it would wait for etcd.
func (*controlPlane) stop(w *fixture) {
	for _, name := range []string{"external-secrets", "kube-apiserver", "etcd"} {
		if c := w.children[name]; c != nil {
			_ = c.stop() // Its log was searched for the cause of a failure.
		}
	}
}

// failed returns an error with the log if the child has ended.
func (c *child) failed() error {
	select {
	case <-c.exited:
		log, _ := os.ReadFile(c.logFile) // For the reader of a failure.
		return fmt.Errorf("%s has ended: %w\n%s", filepath.Base(c.dir), cmp.Or(c.err, errors.New("without an error")), log)
	default:
		return nil
	}
}

// kubectl runs kubectl with this input, and returns its output.
func (w *fixture) kubectl(input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.cluster.kubectl, args...)
	cmd.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// writeServiceAccountKeys writes the two files of keys with which the API server signs
// and verifies the tokens of service accounts.
func writeServiceAccountKeys(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "sa.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(filepath.Join(dir, "sa.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600),
	)
}
