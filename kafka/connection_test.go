package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/internal/kafkaclient"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/secret"
)

// everyOption are all options of a connection, with values that are written as they are read.
var everyOption = map[string]string{
	"bootstrap.servers":                     "a:9092,b:9092",
	"client.id":                             "shop",
	"security.protocol":                     "sasl_plaintext", // with TLS, the files would have to exist
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
	c, err := kafka.ConnectionFromMap(everyOption)
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
	again, err := kafka.ConnectionFromMap(underscores)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, again, cmpopts.IgnoreFields(kafka.SASL{}, "Token")); diff != "" {
		t.Errorf("with underscores (-dots +underscores):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{}, kafka.Connection{}.Map()); diff != "" {
		t.Errorf("what is not set is written: %s", diff)
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	options := maps.Clone(everyOption)
	options["sasl.oauthbearer.token.endpoint.url"] = "https://secret-user:secret-7@example/token?key=secret-8"
	c, err := kafka.ConnectionFromMap(options)
	if err != nil {
		t.Fatal(err)
	}
	c.SASL.Token = func(context.Context) (kafka.Token, error) { return kafka.Token{}, nil }
	for _, v := range []any{c, &c, c.SASL, c.SASL.OAuth, c.TLS, c.SASL.Password, kafka.Token{Value: secret.New("secret-9")}} {
		secrettest.Hidden(t, v, "secret-")
	}
	for _, want := range []string{"sasl.password=******", "sasl.oauthbearer.token.endpoint.url=https://example/token "} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("%q is not in %s", want, c)
		}
	}
	if c.SASL.Password.Reveal() != "secret-1" {
		t.Error("the secret is gone")
	}
	if text, err := json.Marshal(c); err != nil || !strings.Contains(string(text), `"Password":"******"`) {
		t.Errorf("JSON %s, %v", text, err)
	}
}

// A secret may be given under the name of any option, by mistake.
func TestErrorsOfOptionsDoNotShowValues(t *testing.T) {
	for option := range everyOption {
		for _, value := range []string{"secret-value", "-----BEGIN PRIVATE KEY-----\nsecret-value", "secret-value,b=c", "https://secret-value:pw@%zz", "a:secret-value@b:99999"} {
			options := map[string]string{option: value, strings.ReplaceAll(option, ".", "_"): value, "unknown": value, "ssl.engine.id": value}
			_, err := kafka.ConnectionFromMap(options)
			secrettest.Absent(t, option, fmt.Sprint(err), "secret-value")
			c, err := kafka.ConnectionFromMap(map[string]string{option: value})
			if err != nil {
				secrettest.Absent(t, option, fmt.Sprint(err), "secret-value")
				continue
			}
			for _, protocol := range []string{"ssl", "sasl_ssl"} {
				if option != "security.protocol" {
					c.SecurityProtocol = protocol
				}
				err = c.Validate()
				if !strings.HasSuffix(option, ".location") { // whose errors name the file
					secrettest.Absent(t, option, fmt.Sprint(err), "secret-value")
				}
			}
		}
	}
}

func TestErrorsOfATokenEndpointShowNoSecret(t *testing.T) {
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		http.Error(w, "unknown client "+password, http.StatusUnauthorized)
	}))
	defer endpoint.Close()
	for name, address := range map[string]string{
		"refuses": strings.Replace(endpoint.URL, "http://", "http://secret-user:secret-password@", 1) + "/?key=secret-key",
		"is away": "http://secret-user:secret-password@127.0.0.1:1/?key=secret-key",
	} {
		c := kafka.OAuth{
			Method: "oidc", ClientID: "id", ClientSecret: secret.New("secret-client"), TokenEndpointURL: secret.NewURL(address),
		}
		client, err := kafkaclient.Tune(kafka.Connection{SecurityProtocol: "sasl_plaintext", SASL: kafka.SASL{Mechanism: "OAUTHBEARER", OAuth: c}})
		if err != nil {
			t.Fatal(err)
		}
		conf := sarama.NewConfig()
		client(conf)
		_, err = conf.Net.SASL.TokenProvider.Token()
		if err == nil {
			t.Fatalf("an endpoint that %s has given a token", name)
		}
		secrettest.Hidden(t, err, "secret-")
	}
}

func TestAllThatIsWrongWithOptionsIsSaidAtOnce(t *testing.T) {
	options := map[string]string{
		"sasl.user": "weir", "ssl_engine_id": "1", "oauth_cb": "f", "enable.ssl.certificate.verification": "perhaps",
		"sasl.oauthbearer.scope": "a", "sasl_oauthbearer_scope": "b", "sasl.mechanism": "PLAN", "security.protocol": "tls",
		"bootstrap.servers": "a:1, b:0, c:99999, d, kafka://user:password@e:1", "sasl.oauthbearer.extensions": "a", "sasl.oauthbearer.method": "x",
		"sasl.oauthbearer.token.endpoint.url": "x", "ssl.cipher.suites": "NULL", "ssl.curves.list": "X25519:brainpool",
		"ssl.endpoint.identification.algorithm": "http", "ssl.key.location": "-----BEGIN PRIVATE KEY-----", "sasl.kerberos.min.time.before.relogin": "1 h",
	}
	_, err := kafka.ConnectionFromMap(options)
	want := strings.Join([]string{
		`connection: Brokers: address 4 is not host:port`,
		`Brokers: address 5 is not host:port`,
		`Brokers: the port of address 2 is not between 1 and 65535`,
		`Brokers: the port of address 3 is not between 1 and 65535`,
		`SASL.Mechanism: unknown value: it is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or GSSAPI`,
		`SASL.OAuth.Extensions: part 1 is not name=value`,
		`SASL.OAuth.Method: unknown value: it is default or oidc`,
		`SASL.OAuth.TokenEndpointURL is no URL: want http:// or https:// and a host`,
		`SecurityProtocol: unknown value: it is plaintext, ssl, sasl_plaintext or sasl_ssl`,
		`TLS.CipherSuites: name 1 is not a cipher suite of crypto/tls`,
		`TLS.Curves: name 2 is unknown: want X25519, P-256, P-384 or P-521`,
		`TLS.EndpointIdentification: unknown value: it is https or none`,
		`TLS.KeyLocation is not the path of a file: text in PEM belongs in CAPEM, CertificatePEM or KeyPEM`,
		`enable.ssl.certificate.verification: want true or false`,
		`oauth_cb is not supported: set SASL.Token`,
		`sasl.kerberos.min.time.before.relogin: want a whole number of milliseconds`,
		`sasl.oauthbearer.scope and sasl_oauthbearer_scope are the same option`,
		`sasl.user: unknown option`,
		`ssl_engine_id is not supported: there is no OpenSSL here; give certificate and key as PEM`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, ignored, err := kafka.ConnectionFromMapIgnoring(map[string]string{"bootstrap.servers": "a:1", "linger.ms": "5", "acks": "1"})
	if diff := cmp.Diff([]string{"acks", "linger.ms"}, ignored); diff != "" || err != nil {
		t.Errorf("ignored (-want +got):\n%s%v", diff, err)
	}
}

func TestAnEmptyAddressIsRefused(t *testing.T) {
	for brokers, want := range map[string]string{
		"a:9092,,b:9092": "connection: Brokers: address 2 is not host:port",
		"a:9092, ":       "connection: Brokers: address 2 is not host:port",
		"":               "connection: Brokers: address 1 is not host:port",
		" , ":            "connection: Brokers: address 1 is not host:port\nBrokers: address 2 is not host:port",
	} {
		if _, err := kafka.ConnectionFromMap(map[string]string{"bootstrap.servers": brokers}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", brokers, err, want)
		}
	}
}

// Files are looked at together with everything else.
func TestAllFilesOfAConnectionAreLookedAtWithItsOptions(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a.pem", "b.pem"} {
		if err := os.Symlink(filepath.Join(folder, "nowhere"), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := kafka.ConnectionFromMap(map[string]string{
		"security.protocol": "SSL", "bootstrap.servers": "a", "ssl.ca.location": folder, "ssl.certificate.location": "/no/certificate",
		"ssl.key.location": "/no/key", "ssl.crl.location": "/no/crl", "ssl.cipher.suites": "NULL", "acks": "1",
	})
	for _, want := range []string{
		"Brokers: address 1 is not host:port", "CALocation: open " + folder + "/a.pem", "CALocation: open " + folder + "/b.pem",
		"CertificateLocation: open /no/certificate", "KeyLocation: open /no/key", "CRLLocation: open /no/crl", "TLS.CipherSuites: name 1 is not",
		"acks: unknown option",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestAConnectionIsReadFromTheEnvironment(t *testing.T) {
	t.Setenv("TEST_KAFKA_BOOTSTRAP_SERVERS", "a:9092, b:9092")
	t.Setenv("TEST_KAFKA_SASL_MECHANISMS", "plain")
	t.Setenv("TEST_KAFKA_SASL_USERNAME", "weir")
	t.Setenv("TEST_KAFKA_SASL_PASSWORD", "")
	t.Setenv("TEST_KAFKA_PORT", "tcp://10.0.0.1:9092")
	c, err := kafka.ConnectionFromEnvironment("TEST_KAFKA_")
	want := map[string]string{"bootstrap.servers": "a:9092,b:9092", "sasl.mechanism": "PLAIN", "sasl.username": "weir"}
	if diff := cmp.Diff(want, c.Map()); diff != "" || err != nil {
		t.Errorf("options (-want +got):\n%s%v", diff, err)
	}
}

func TestAllThatIsWrongWithAConnectionIsSaidAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name       string
		connection kafka.Connection
		want       []string
	}{
		{"unknown protocol", kafka.Connection{SecurityProtocol: "tls"}, []string{"SecurityProtocol: unknown value: it is plaintext"}},
		{
			"unused",
			kafka.Connection{SASL: kafka.SASL{Username: "u"}, TLS: kafka.TLS{CALocation: "/ca"}},
			[]string{`SASL is configured, and SecurityProtocol is "plaintext"`, `TLS is configured, and SecurityProtocol is "plaintext"`},
		},
		{"no mechanism", kafka.Connection{SecurityProtocol: "sasl_plaintext"}, []string{"SASL.Mechanism is empty"}},
		{
			"no password",
			kafka.Connection{SecurityProtocol: "SASL_PLAINTEXT", SASL: kafka.SASL{Mechanism: "plain", Username: "u"}},
			[]string{"SASL.Mechanism PLAIN needs SASL.Username and SASL.Password"},
		},
		{
			"no token",
			kafka.Connection{SecurityProtocol: "sasl_plaintext", SASL: kafka.SASL{Mechanism: "oauthbearer"}},
			[]string{"OAUTHBEARER needs SASL.Token"},
		},
		{
			"incomplete endpoint",
			kafka.Connection{SecurityProtocol: "sasl_plaintext", SASL: kafka.SASL{
				Mechanism: "OAUTHBEARER", OAuth: kafka.OAuth{Method: "OIDC", TokenEndpointURL: secret.NewURL("x"), Extensions: "a"},
			}},
			[]string{"needs ClientID, ClientSecret and TokenEndpointURL", `TokenEndpointURL is no URL`, `Extensions: part 1 is not name=value`},
		},
		{
			"unsecured without principal",
			kafka.Connection{SecurityProtocol: "sasl_plaintext", SASL: kafka.SASL{
				Mechanism: "OAUTHBEARER", OAuth: kafka.OAuth{UnsecureJWT: true, Config: "lifeSeconds=5"},
			}},
			[]string{"SASL.OAuth.Config: principal is missing"},
		},
		{
			"no keytab",
			kafka.Connection{SecurityProtocol: "sasl_plaintext", SASL: kafka.SASL{Mechanism: "GSSAPI"}},
			[]string{"GSSAPI needs SASL.Kerberos.Keytab"},
		},
		{
			"no files",
			kafka.Connection{SecurityProtocol: "ssl", TLS: kafka.TLS{
				CALocation: "/no/ca", CertificateLocation: "/no/certificate", CRLLocation: "/no/crl", CipherSuites: "NULL",
			}},
			[]string{"CALocation: open /no/ca", "CertificateLocation: open /no/certificate", "CRLLocation: open /no/crl", `CipherSuites: name 1 is not`},
		},
		{
			"not PEM",
			kafka.Connection{SecurityProtocol: "ssl", TLS: kafka.TLS{CAPEM: secret.New("x"), KeyPEM: secret.New("y"), Curves: "brainpool"}},
			[]string{"CAPEM holds no certificate", "a key is given and no certificate", `Curves: name 1 is unknown`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.connection.Validate()
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
		})
	}
}

func TestTheEscapeHatchEditsTheClientLast(t *testing.T) {
	apply, err := kafkaclient.Tune(kafka.Connection{SecurityProtocol: "ssl", ClientID: "mine", Sarama: func(c *sarama.Config) {
		if !c.Net.TLS.Enable || c.ClientID != "mine" {
			t.Errorf("the configuration has TLS %v and client id %q before the edit", c.Net.TLS.Enable, c.ClientID)
		}
		c.ClientID = "edited"
	}})
	if err != nil {
		t.Fatal(err)
	}
	conf := sarama.NewConfig()
	if apply(conf); conf.ClientID != "edited" {
		t.Errorf("the client id is %q", conf.ClientID)
	}
}
