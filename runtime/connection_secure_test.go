package runtime_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
)

// secured reads what .ci/kafka says of a broker that asks who one is.
func secured(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("WEIR_TEST_SECURE")
	if dir == "" {
		t.Skip("WEIR_TEST_SECURE is not set: run .ci/run kafka")
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// unsigned makes tokens that are good for some time.
func unsigned(good time.Duration) runtime.TokenSource {
	return func(context.Context) (runtime.Token, error) {
		now := time.Now()
		claims := fmt.Sprintf(`{"sub":"weir","iat":%d,"exp":%d}`, now.Add(-time.Hour).Unix(), now.Add(good).Unix())
		encode := base64.RawURLEncoding.EncodeToString
		return runtime.Token{Value: secret.New(encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".")}, nil
	}
}

// TestASecureBrokerServesWhoLogsInAndRefusesOthersAtOnce runs an application on each kind of listener of Apache Kafka.
func TestASecureBrokerServesWhoLogsInAndRefusesOthersAtOnce(t *testing.T) {
	kafkatest.Parallel(t)
	ours := runtime.TLSConfig{CAPEM: secret.New(secured(t, "ca.pem"))}
	certified := ours
	certified.CertificatePEM, certified.KeyPEM = secured(t, "client.pem"), secret.New(secured(t, "client.key"))
	stranger := newAuthority(t)
	others := runtime.TLSConfig{CAPEM: secret.New(certificatePEM(stranger.certificate))}
	certificate, key := stranger.client()
	strangers := ours
	strangers.CertificatePEM, strangers.KeyPEM = certificatePEM(certificate), secret.New(keyPEM(t, key, ""))
	password := func(mechanism, password string) runtime.SASLConfig {
		return runtime.SASLConfig{Mechanism: mechanism, Username: "weir", Password: secret.New(password)}
	}
	oauth := func(source runtime.TokenSource) runtime.SASLConfig {
		return runtime.SASLConfig{Mechanism: "OAUTHBEARER", Token: source}
	}
	type login struct {
		name     string
		listener string
		protocol string
		tls      runtime.TLSConfig
		sasl     runtime.SASLConfig
		want     string // in the error; none if empty
	}
	logins := []login{
		{"no certificate", "tls", "ssl", ours, runtime.SASLConfig{}, "certificate"},
		{"a certificate of another authority", "tls", "ssl", strangers, runtime.SASLConfig{}, "certificate"},
		{"a broker of another authority", "tls", "ssl", others, runtime.SASLConfig{}, "unknown authority"},
		{"a broker of another authority, with a password", "sasl_tls", "sasl_ssl", others, password("PLAIN", "right"), "unknown authority"},
		{"a certificate", "tls", "ssl", certified, runtime.SASLConfig{}, ""},
		{"tokens made by us", "sasl", "sasl_plaintext", runtime.TLSConfig{}, runtime.SASLConfig{
			Mechanism: "OAUTHBEARER", OAuth: runtime.OAuthConfig{UnsecureJWT: true, Config: "principal=weir"},
		}, ""},
		{"an old token", "sasl", "sasl_plaintext", runtime.TLSConfig{}, oauth(unsigned(-time.Minute)), "uthentication"},
	}
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		logins = append(logins,
			login{mechanism, "sasl", "sasl_plaintext", runtime.TLSConfig{}, password(mechanism, "right"), ""},
			login{mechanism + " over TLS", "sasl_tls", "sasl_ssl", ours, password(mechanism, "right"), ""},
			login{mechanism + ", wrong", "sasl", "sasl_plaintext", runtime.TLSConfig{}, password(mechanism, "wrong"), "uthentication"},
			login{mechanism + " over TLS, wrong", "sasl_tls", "sasl_ssl", ours, password(mechanism, "wrong"), "uthentication"},
		)
	}
	logins = append(logins, login{"a token over TLS", "sasl_tls", "sasl_ssl", ours, oauth(unsigned(time.Hour)), ""})
	for _, l := range logins {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t) // which writes and reads without all that
			p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
			config := k.config()
			config.Brokers = nil
			config.Guarantee = runtime.ExactlyOnce // so that there are connections of all kinds
			config.Connection = runtime.ConnectionConfig{
				Brokers: []string{secured(t, l.listener)}, SecurityProtocol: l.protocol, TLS: l.tls, SASL: l.sasl,
			}
			began := time.Now()
			app := run(t, p.topology(), config)
			if l.want == "" {
				k.write(p.input, 0, numbers(0, 10)...)
				await(t, "everything", func() bool { return k.committed(p.input, 0) == 10 })
				app.stop()
				k.checkTotalsExactly(p.output, numbers(0, 10))
				return
			}
			err := app.failure()
			if !errors.Is(err, broker.ErrUnauthorized) || !strings.Contains(err.Error(), l.want) || !strings.Contains(err.Error(), config.Connection.Brokers[0]) {
				t.Errorf("got %v, want not authorized, %q and the address", err, l.want)
			}
			if strings.Contains(err.Error(), "right") || strings.Contains(err.Error(), "wrong") {
				t.Errorf("the error tells the password: %v", err)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("that was found out after %v", took)
			}
			t.Logf("after %v: %v", time.Since(began).Round(time.Millisecond), err)
		})
	}
}
