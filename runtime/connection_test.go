package runtime_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/runtime"
)

// everyOption are all options of a connection, with values that are written as they are read.
var everyOption = map[string]string{
	"bootstrap.servers":                     "a:9092,b:9092",
	"client.id":                             "shop",
	"security.protocol":                     "sasl_ssl",
	"sasl.mechanism":                        "SCRAM-SHA-512",
	"sasl.username":                         "weir",
	"sasl.password":                         "secret-1",
	"sasl.kerberos.keytab":                  "/keytab",
	"sasl.kerberos.kinit.cmd":               "kinit",
	"sasl.kerberos.min.time.before.relogin": "60000",
	"sasl.kerberos.principal":               "weir@EXAMPLE",
	"sasl.kerberos.service.name":            "kafka",
	"sasl.oauthbearer.client.id":            "id",
	"sasl.oauthbearer.client.secret":        "secret-2",
	"sasl.oauthbearer.config":               "principal=weir",
	"sasl.oauthbearer.extensions":           "a=b",
	"sasl.oauthbearer.method":               "oidc",
	"sasl.oauthbearer.scope":                "kafka",
	"sasl.oauthbearer.token.endpoint.url":   "https://example/token",
	"enable.sasl.oauthbearer.unsecure.jwt":  "true",
	"enable.ssl.certificate.verification":   "false",
	"ssl.ca.location":                       "/ca",
	"ssl.ca.pem":                            "secret-3",
	"ssl.certificate.location":              "/certificate",
	"ssl.certificate.pem":                   "certificate",
	"ssl.cipher.suites":                     "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"ssl.crl.location":                      "/crl",
	"ssl.curves.list":                       "X25519",
	"ssl.endpoint.identification.algorithm": "https",
	"ssl.key.location":                      "/key",
	"ssl.key.password":                      "secret-4",
	"ssl.key.pem":                           "secret-5",
	"ssl.keystore.location":                 "/keystore",
	"ssl.keystore.password":                 "secret-6",
}

func TestOptionsOfAConnectionAreReadAndWrittenAlike(t *testing.T) {
	c, err := runtime.ConnectionFromMap(everyOption)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everyOption, c.Map()); diff != "" {
		t.Errorf("options (-read +written):\n%s", diff)
	}
	underscores := map[string]string{}
	for name, value := range everyOption {
		underscores[strings.ToUpper(strings.ReplaceAll(name, ".", "_"))] = value
	}
	again, err := runtime.ConnectionFromMap(underscores)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, again, cmpopts.IgnoreFields(runtime.SASLConfig{}, "Token")); diff != "" {
		t.Errorf("with underscores (-dots +underscores):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{}, runtime.ConnectionConfig{}.Map()); diff != "" {
		t.Errorf("what is not set is written: %s", diff)
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	c, err := runtime.ConnectionFromMap(everyOption)
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	for _, v := range []any{c, &c, c.SASL, c.TLS, c.SASL.Password, []any{c.SASL.Password}, map[string]runtime.Secret{"k": c.SASL.Password}} {
		fmt.Fprintf(&printed, "%v %+v %#v %s %q %x %d\n", v, v, v, v, v, v, v)
		slog.New(slog.NewTextHandler(&printed, nil)).Info("connection", "value", v)
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("connection", "value", v)
	}
	c.SASL.Token = nil
	if err := json.NewEncoder(&printed).Encode(struct{ TLS runtime.TLSConfig }{c.TLS}); err != nil {
		t.Fatal(err)
	}
	_, wrong := runtime.ConnectionFromMap(map[string]string{"sasl.password": "secret-1", "sasl_password": "secret-2", "ssl.keypassword": "secret-3"})
	fmt.Fprintln(&printed, wrong)
	if text := printed.String(); strings.Contains(text, "secret-") || strings.Contains(text, fmt.Sprintf("%x", "secret-")) {
		t.Errorf("a secret was printed:\n%s", text)
	}
	if want := "sasl.password=******"; !strings.Contains(c.String(), want) {
		t.Errorf("%q is not in %s", want, c)
	}
	if c.SASL.Password.Reveal() != "secret-1" {
		t.Error("the secret is gone")
	}
}

func TestAllThatIsWrongWithOptionsIsSaidAtOnce(t *testing.T) {
	options := map[string]string{
		"sasl.user": "weir", "ssl_engine_id": "1", "oauth_cb": "f", "enable.ssl.certificate.verification": "perhaps",
		"sasl.mechanism": "PLAIN", "sasl.mechanisms": "PLAIN",
	}
	_, err := runtime.ConnectionFromMap(options)
	want := strings.Join([]string{
		`connection: enable.ssl.certificate.verification: "perhaps" is not a value of this option`,
		`oauth_cb is not supported: set SASL.Token`,
		`sasl.mechanism and sasl.mechanisms are the same option`,
		`sasl.user: unknown option`,
		`ssl_engine_id is not supported: there is no OpenSSL here; give certificate and key as PEM`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, ignored, err := runtime.ConnectionFromMapIgnoring(map[string]string{"bootstrap.servers": "a:1", "linger.ms": "5", "acks": "1"})
	if diff := cmp.Diff([]string{"acks", "linger.ms"}, ignored); diff != "" || err != nil {
		t.Errorf("ignored (-want +got):\n%s%v", diff, err)
	}
}

func TestAConnectionIsReadFromTheEnvironment(t *testing.T) {
	t.Setenv("TEST_KAFKA_BOOTSTRAP_SERVERS", "a:9092, b:9092")
	t.Setenv("TEST_KAFKA_SASL_MECHANISMS", "plain")
	t.Setenv("TEST_KAFKA_SASL_USERNAME", "weir")
	t.Setenv("TEST_KAFKA_SASL_PASSWORD", "")
	t.Setenv("TEST_KAFKA_PORT", "tcp://10.0.0.1:9092")
	c, err := runtime.ConnectionFromEnvironment("TEST_KAFKA_")
	want := map[string]string{"bootstrap.servers": "a:9092,b:9092", "sasl.mechanism": "PLAIN", "sasl.username": "weir"}
	if diff := cmp.Diff(want, c.Map()); diff != "" || err != nil {
		t.Errorf("options (-want +got):\n%s%v", diff, err)
	}
}

func TestAllThatIsWrongWithAConnectionIsSaidAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name       string
		connection runtime.ConnectionConfig
		want       []string
	}{
		{"unknown protocol", runtime.ConnectionConfig{SecurityProtocol: "tls"}, []string{`SecurityProtocol: unknown value "tls"`}},
		{
			"unused",
			runtime.ConnectionConfig{SASL: runtime.SASLConfig{Username: "u"}, TLS: runtime.TLSConfig{CALocation: "/ca"}},
			[]string{`SASL is configured, and SecurityProtocol is "plaintext"`, `TLS is configured, and SecurityProtocol is "plaintext"`},
		},
		{"no mechanism", runtime.ConnectionConfig{SecurityProtocol: "sasl_plaintext"}, []string{"SASL.Mechanism is empty"}},
		{
			"no password",
			runtime.ConnectionConfig{SecurityProtocol: "SASL_PLAINTEXT", SASL: runtime.SASLConfig{Mechanism: "plain", Username: "u"}},
			[]string{"SASL.Mechanism PLAIN needs SASL.Username and SASL.Password"},
		},
		{
			"no token",
			runtime.ConnectionConfig{SecurityProtocol: "sasl_plaintext", SASL: runtime.SASLConfig{Mechanism: "oauthbearer"}},
			[]string{"OAUTHBEARER needs SASL.Token"},
		},
		{
			"incomplete endpoint",
			runtime.ConnectionConfig{SecurityProtocol: "sasl_plaintext", SASL: runtime.SASLConfig{
				Mechanism: "OAUTHBEARER", OAuth: runtime.OAuthConfig{Method: "OIDC", TokenEndpointURL: "x", Extensions: "a"},
			}},
			[]string{"needs ClientID and ClientSecret", `TokenEndpointURL "x" is no URL`, `Extensions: "a" is not name=value`},
		},
		{
			"unsecured without principal",
			runtime.ConnectionConfig{SecurityProtocol: "sasl_plaintext", SASL: runtime.SASLConfig{
				Mechanism: "OAUTHBEARER", OAuth: runtime.OAuthConfig{UnsecureJWT: true, Config: "lifeSeconds=5"},
			}},
			[]string{"SASL.OAuth.Config: principal is missing"},
		},
		{
			"no keytab",
			runtime.ConnectionConfig{SecurityProtocol: "sasl_plaintext", SASL: runtime.SASLConfig{Mechanism: "GSSAPI"}},
			[]string{"GSSAPI needs SASL.Kerberos.Keytab"},
		},
		{
			"no files",
			runtime.ConnectionConfig{SecurityProtocol: "ssl", TLS: runtime.TLSConfig{
				CALocation: "/no/ca", CertificateLocation: "/no/certificate", CRLLocation: "/no/crl", CipherSuites: "NULL",
			}},
			[]string{"CALocation: open /no/ca", "CertificateLocation: open /no/certificate", "CRLLocation: open /no/crl", `CipherSuites: "NULL"`},
		},
		{
			"not PEM",
			runtime.ConnectionConfig{SecurityProtocol: "ssl", TLS: runtime.TLSConfig{CAPEM: "x", KeyPEM: "y", Curves: "brainpool"}},
			[]string{"CAPEM holds no certificate", "a key is given and no certificate", `"brainpool" is unknown`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := runtime.New(pipeline{input: "in", output: "out"}.topology(), runtime.Config{
				Brokers: []string{"localhost:9092"}, Group: "g", Connection: tc.connection,
			})
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
		})
	}
}
