package registry_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
)

func register(t *testing.T, c *registry.Client) error {
	t.Helper()
	_, err := c.Register(t.Context(), "s", registry.Schema{Type: registry.Avro, Text: stringSchema}, false, nil)
	return err
}

func TestRequestsAreRepeatedWhenTheAnswerMayChange(t *testing.T) {
	for status, requests := range map[int]int{
		408: 3, 429: 3, 500: 3, 502: 3, 503: 3, 504: 3, // the third succeeds
		400: 1, 401: 1, 403: 1, 404: 1, 409: 1, 422: 1,
	} {
		s := start(t)
		s.answers(fails(2, status))
		err := register(t, newClient(t, s))
		if (err == nil) != (requests == 3) {
			t.Errorf("status %d: got %v", status, err)
		}
		asked := 0
		for _, r := range s.asked() {
			if r == "POST /subjects/s/versions" {
				asked++
			}
		}
		if asked != requests {
			t.Errorf("status %d: %d requests, want %d", status, asked, requests)
		}
	}
	s := start(t)
	s.answers(fails(1, 503))
	if err := register(t, newClient(t, s, func(c *registry.Config) { c.Retries = -1 })); err == nil {
		t.Error("repeated although it is not to")
	}
}

func TestTheNextAddressIsTriedWhenOneCannotBeReached(t *testing.T) {
	s := start(t)
	if err := register(t, newClient(t, s, func(c *registry.Config) { c.URLs = secret.URLs("http://127.0.0.1:1", s.url); c.Retries = -1 })); err != nil {
		t.Error(err)
	}
}

func TestBasicAndTokenAuthentication(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:s3cret"))
	withUser := func(u string) string { return strings.Replace(u, "http://", "http://user:s3cret@", 1) }
	for name, tc := range map[string]struct {
		auth   string
		change func(*registry.Config)
	}{
		"fields": {basic, func(c *registry.Config) { c.User, c.Password = "user", secret.New("s3cret") }},
		"URL":    {basic, func(c *registry.Config) { c.URLs[0] = secret.NewURL(withUser(c.URLs[0].Reveal())) }},
		"token":  {"Bearer s3cret", func(c *registry.Config) { c.BearerToken = secret.New("s3cret") }},
	} {
		if err := register(t, newClient(t, start(t, srfake.WithAuth(tc.auth)), tc.change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := register(t, newClient(t, start(t, srfake.WithAuth(basic))))
	if status, _ := registry.StatusCode(err); status != 401 {
		t.Errorf("without: got %v", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	const user, password, token, key = "us3rname", "p4ssword", "t0ken-xyz", "k3y-value"
	config := registry.Config{URLs: secret.URLs("http://"+user+":"+password+"@127.0.0.1:1/path?key="+key, user+":"+password+"@host")}
	secrettest.Hidden(t, config, user, password, key)
	secrettest.Hidden(t, &config, user, password, key)
	secrettest.Hidden(t, registry.Config{User: "u", Password: secret.New(password), BearerToken: secret.New(token)}, password, token)
	if got, want := fmt.Sprint(config), "schema registry http://127.0.0.1:1/path,(malformed URL)"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}

	config = registry.Config{URLs: secret.URLs("http://" + user + ":" + password + "@127.0.0.1:1/path"), Retries: -1}
	client, err := registry.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	secrettest.Hidden(t, client, password)
	err = register(t, client)
	if err == nil {
		t.Fatal("the registry answered")
	}
	secrettest.Hidden(t, err, user, password)
	for _, broken := range []string{"http://us3rname:p4ssword@%zz", "ftp://us3rname:p4ssword@host", "us3rname:p4ssword@host", "http://us3rname:p4ssword@h:port", "http://h/?p4ssword"} {
		_, err := registry.NewClient(registry.Config{URLs: secret.URLs(broken)})
		if err == nil {
			t.Errorf("%s was accepted", broken)
		}
		secrettest.Absent(t, "the error", fmt.Sprint(err), user, password)
	}
}

func TestConfigurationsThatContradictThemselvesAreRefused(t *testing.T) {
	const u = "http://localhost:8081"
	for want, config := range map[string]registry.Config{
		"no URL":                                {},
		"there are several users":               {URLs: secret.URLs("http://a:b@h"), User: "c"},
		"URL number 2: there are several users": {URLs: secret.URLs("http://a:b@h", "http://a:c@h")},
		"both User and BearerToken":             {URLs: secret.URLs(u), User: "a", BearerToken: secret.New("b")},
		"CertFile and KeyFile need each other":  {URLs: secret.URLs(u), KeyFile: "k"},
		"CAFile":                                {URLs: secret.URLs(u), CAFile: filepath.Join(t.TempDir(), "none")},
		"CAFile doc.go: no certificate":         {URLs: secret.URLs(u), CAFile: "doc.go"},
	} {
		_, err := registry.NewClient(config)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}

	_, err := registry.NewClient(registry.Config{
		URLs: secret.URLs(u, "localhost"), User: "a", BearerToken: secret.New("b"), CAFile: "doc.go", KeyFile: "k",
	})
	for _, want := range []string{"URL number 2", "both User and BearerToken", "CAFile doc.go", "CertFile and KeyFile"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in the error about all mistakes: %v", want, err)
		}
	}
}

func TestMutualTLS(t *testing.T) {
	ca := newAuthority(t)
	serverCert, clientCert := ca.issue(t, "localhost"), ca.issue(t, "client")
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	pair, err := tls.LoadX509KeyPair(serverCert.certFile, serverCert.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Registry: srfake.NewRegistry()}
	h := httptest.NewUnstartedServer(s)
	h.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	h.Config.ErrorLog = discard
	h.StartTLS()
	t.Cleanup(h.Close)
	s.url = strings.Replace(h.URL, "127.0.0.1", "localhost", 1)

	quick := func(c *registry.Config) { c.Retries = -1 }
	trust := func(c *registry.Config) { c.CAFile = ca.file }
	own := func(c *registry.Config) { c.CertFile, c.KeyFile = clientCert.certFile, clientCert.keyFile }
	if err := register(t, newClient(t, s, quick, trust, own)); err != nil {
		t.Error(err)
	}
	if err := register(t, newClient(t, s, quick, own)); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("without the CA: got %v", err)
	}
	if err := register(t, newClient(t, s, quick, trust)); err == nil {
		t.Error("a client without a certificate was served")
	}
	given := &tls.Config{RootCAs: pool}
	if err := register(t, newClient(t, s, quick, own, func(c *registry.Config) { c.TLS = given })); err != nil {
		t.Error(err)
	}
	if given.Certificates != nil {
		t.Error("the caller's TLS configuration was changed")
	}
}

func writeFile(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
