package kafka_test

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

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/secret"
)

// secured reads a file of WEIR_TEST_SECURE, the directory that internal/testserver makes for a broker with logins.
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
func unsigned(good time.Duration) kafka.TokenSource {
	return func(context.Context) (kafka.Token, error) {
		now := time.Now()
		claims := fmt.Sprintf(`{"sub":"weir","iat":%d,"exp":%d}`, now.Add(-time.Hour).Unix(), now.Add(good).Unix())
		encode := base64.RawURLEncoding.EncodeToString
		return kafka.Token{Value: secret.New(encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".")}, nil
	}
}

// TestASecureBrokerServesWhoLogsInAndRefusesOthersAtOnce writes and reads on each kind of listener of Apache Kafka.
func TestASecureBrokerServesWhoLogsInAndRefusesOthersAtOnce(t *testing.T) {
	kafkatest.Parallel(t)
	ours := kafka.TLS{CAPEM: secret.New(secured(t, "ca.pem"))}
	certified := ours
	certified.CertificatePEM, certified.KeyPEM = secured(t, "client.pem"), secret.New(secured(t, "client.key"))
	stranger := newAuthority(t)
	others := kafka.TLS{CAPEM: secret.New(certificatePEM(stranger.certificate))}
	certificate, key := stranger.client()
	strangers := ours
	strangers.CertificatePEM, strangers.KeyPEM = certificatePEM(certificate), secret.New(keyPEM(t, key, ""))
	password := func(mechanism, password string) kafka.SASL {
		return kafka.SASL{Mechanism: mechanism, Username: "weir", Password: secret.New(password)}
	}
	oauth := func(source kafka.TokenSource) kafka.SASL {
		return kafka.SASL{Mechanism: "OAUTHBEARER", Token: source}
	}
	type login struct {
		name     string
		listener string
		protocol string
		tls      kafka.TLS
		sasl     kafka.SASL
		want     string // in the error; none if empty
	}
	logins := []login{
		{"no certificate", "tls", "ssl", ours, kafka.SASL{}, "certificate"},
		{"a certificate of another authority", "tls", "ssl", strangers, kafka.SASL{}, "certificate"},
		{"a broker of another authority", "tls", "ssl", others, kafka.SASL{}, "unknown authority"},
		{"a broker of another authority, with a password", "sasl_tls", "sasl_ssl", others, password("PLAIN", "right"), "unknown authority"},
		{"a certificate", "tls", "ssl", certified, kafka.SASL{}, ""},
		{"tokens made by us", "sasl", "sasl_plaintext", kafka.TLS{}, kafka.SASL{
			Mechanism: "OAUTHBEARER", OAuth: kafka.OAuth{UnsecureJWT: true, Config: "principal=weir"},
		}, ""},
		{"an old token", "sasl", "sasl_plaintext", kafka.TLS{}, oauth(unsigned(-time.Minute)), "uthentication"},
	}
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		logins = append(logins,
			login{mechanism, "sasl", "sasl_plaintext", kafka.TLS{}, password(mechanism, "right"), ""},
			login{mechanism + " over TLS", "sasl_tls", "sasl_ssl", ours, password(mechanism, "right"), ""},
			login{mechanism + ", wrong", "sasl", "sasl_plaintext", kafka.TLS{}, password(mechanism, "wrong"), "uthentication"},
			login{mechanism + " over TLS, wrong", "sasl_tls", "sasl_ssl", ours, password(mechanism, "wrong"), "uthentication"},
		)
	}
	logins = append(logins, login{"a token over TLS", "sasl_tls", "sasl_ssl", ours, oauth(unsigned(time.Hour)), ""})
	for _, l := range logins {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t) // which makes the topic without all that
			config := kafka.Config{Logger: logger(t), Connection: kafka.Connection{
				Brokers: []string{secured(t, l.listener)}, SecurityProtocol: l.protocol, TLS: l.tls, SASL: l.sasl,
			}}
			began := time.Now()
			err := there(t, config, k.Topic(t, "in", 1), k.Name("group"))
			if l.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, weir.ErrUnauthorized) || !strings.Contains(err.Error(), l.want) || !strings.Contains(err.Error(), config.Connection.Brokers[0]) {
				t.Fatalf("got %v, want not authorized, %q and the address", err, l.want)
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
