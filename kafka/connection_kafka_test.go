package kafka_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/kafkatest/heldclose"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/secret"
)

// authority signs certificates.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, Subject: pkix.Name{CommonName: "authority"},
	}
	a.certificate, a.key = a.issue(template)
	return a
}

// issue makes a certificate, signed by the authority or, if it has none yet, by itself.
func (a *authority) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return certificate, key
}

func (a *authority) server(names ...string) (tls.Certificate, *x509.Certificate) {
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	certificate, key := a.issue(template)
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}, certificate
}

func (a *authority) client() (*x509.Certificate, *ecdsa.PrivateKey) {
	return a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *authority) revoke(c *x509.Certificate, until time.Time) []byte {
	a.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: until,
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: c.SerialNumber, RevocationTime: time.Now()}},
	}, a.certificate, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func certificatePEM(c *x509.Certificate) string { return inPEM("CERTIFICATE", c.Raw) }

func keyPEM(t *testing.T, key *ecdsa.PrivateKey, password string) string {
	t.Helper()
	kind, phrase := "PRIVATE KEY", []byte(nil)
	if password != "" {
		kind, phrase = "ENCRYPTED PRIVATE KEY", []byte(password)
	}
	der, err := pkcs8.MarshalPrivateKey(key, phrase, nil)
	if err != nil {
		t.Fatal(err)
	}
	return inPEM(kind, der)
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// connect writes a record to a broker and reads it back, as a member of a group, and returns the error if it does not come to that. If
// want is not empty, it is expected in the error. On a busy machine no attempt to connect may end in time, so it is given more time then.
func connect(t *testing.T, want string, connection kafka.Connection, options ...kfake.Opt) error {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.ListenFn(heldclose.Listen), kfake.SeedTopics(1, "in"),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	connection.Brokers = cluster.ListenAddrs()
	try := func(timeout time.Duration) error {
		return there(t, kafka.Config{Connection: connection, BrokerTimeout: timeout, Logger: logger(t)}, "in", "g")
	}
	if want == "" {
		return try(time.Minute)
	}
	for timeout := 2 * time.Second; ; timeout *= 2 {
		err := try(timeout)
		if timeout > 30*time.Second || !errors.Is(err, weir.ErrUnavailable) || strings.Contains(err.Error(), want) {
			return err
		}
	}
}

func TestAConnectionIsMadeAsItIsConfigured(t *testing.T) {
	kafkatest.Parallel(t)
	ours, others := newAuthority(t), newAuthority(t)
	here, hereCertificate := ours.server("127.0.0.1")
	elsewhere, _ := ours.server("broker.example")
	certificate, key := ours.client()
	ca := kafka.TLS{CAPEM: secret.New(certificatePEM(ours.certificate))}
	with := func(c kafka.TLS, edit func(*kafka.TLS)) kafka.TLS { edit(&c); return c }
	server := func(c tls.Certificate) kfake.Opt { return kfake.TLS(&tls.Config{Certificates: []tls.Certificate{c}}) }
	mutual := kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{here}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool(),
	})
	keystore, err := pkcs12.Modern.Encode(key, certificate, nil, "open")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "ca.pem"), []byte(certificatePEM(ours.certificate)), 0o600); err != nil {
		t.Fatal(err)
	}
	sasl := func(mechanism, password string) kafka.SASL {
		return kafka.SASL{Mechanism: mechanism, Username: "weir", Password: secret.New(password)}
	}
	user := func(mechanism string) []kfake.Opt {
		return []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(mechanism, "weir", "right")}
	}
	for _, tc := range []struct {
		name     string
		protocol string
		tls      kafka.TLS
		sasl     kafka.SASL
		broker   []kfake.Opt
		want     string // in the error; none if empty
	}{
		{"plain text", "", kafka.TLS{}, kafka.SASL{}, nil, ""},
		{"TLS", "ssl", ca, kafka.SASL{}, []kfake.Opt{server(here)}, ""},
		{"authorities in a file", "ssl", kafka.TLS{CALocation: file(t, "ca.pem", certificatePEM(ours.certificate))}, kafka.SASL{}, []kfake.Opt{server(here)}, ""},
		{"authorities in a folder", "ssl", kafka.TLS{CALocation: folder}, kafka.SASL{}, []kfake.Opt{server(here)}, ""},
		{"another authority", "ssl", kafka.TLS{CAPEM: secret.New(certificatePEM(others.certificate))}, kafka.SASL{}, []kfake.Opt{server(here)}, "certificate signed by unknown authority"},
		{"another name", "ssl", ca, kafka.SASL{}, []kfake.Opt{server(elsewhere)}, "127.0.0.1"},
		{"another name, which does not matter", "ssl", with(ca, func(c *kafka.TLS) { c.EndpointIdentification = "NONE" }), kafka.SASL{}, []kfake.Opt{server(elsewhere)}, ""},
		{"another authority, and the name does not matter", "ssl", kafka.TLS{CAPEM: secret.New(certificatePEM(others.certificate)), EndpointIdentification: "none"}, kafka.SASL{}, []kfake.Opt{server(here)}, "certificate signed by unknown authority"},
		{"nothing matters", "ssl", kafka.TLS{SkipVerification: true}, kafka.SASL{}, []kfake.Opt{server(elsewhere)}, ""},
		{"revoked", "ssl", with(ca, func(c *kafka.TLS) {
			c.CRLLocation = file(t, "crl.pem", inPEM("X509 CRL", ours.revoke(hereCertificate, time.Now().Add(time.Hour))))
		}), kafka.SASL{}, []kfake.Opt{server(here)}, "revoked"},
		{"another one is revoked", "ssl", with(ca, func(c *kafka.TLS) {
			c.CRLLocation = file(t, "crl.pem", inPEM("X509 CRL", ours.revoke(certificate, time.Now().Add(time.Hour))))
		}), kafka.SASL{}, []kfake.Opt{server(here)}, ""},
		{"certificate", "ssl", with(ca, func(c *kafka.TLS) {
			c.CertificatePEM, c.KeyPEM = certificatePEM(certificate), secret.New(keyPEM(t, key, ""))
		}), kafka.SASL{}, []kfake.Opt{mutual}, ""},
		{"certificate with an encrypted key, in files", "ssl", with(ca, func(c *kafka.TLS) {
			c.CertificateLocation = file(t, "certificate.pem", certificatePEM(certificate))
			c.KeyLocation, c.KeyPassword = file(t, "key.pem", keyPEM(t, key, "open")), secret.New("open")
		}), kafka.SASL{}, []kfake.Opt{mutual}, ""},
		{"keystore", "ssl", with(ca, func(c *kafka.TLS) {
			c.KeystoreLocation, c.KeystorePassword = file(t, "keystore.p12", string(keystore)), secret.New("open")
		}), kafka.SASL{}, []kfake.Opt{mutual}, ""},
		{"no certificate", "ssl", ca, kafka.SASL{}, []kfake.Opt{mutual}, "certificate required"},
		{"PLAIN", "sasl_plaintext", kafka.TLS{}, sasl("PLAIN", "right"), user("PLAIN"), ""},
		{"PLAIN over TLS", "SASL_SSL", ca, sasl("PLAIN", "right"), append(user("PLAIN"), server(here)), ""},
		{"SCRAM-SHA-256", "sasl_plaintext", kafka.TLS{}, sasl("scram-sha-256", "right"), user("SCRAM-SHA-256"), ""},
		{"SCRAM-SHA-512", "sasl_plaintext", kafka.TLS{}, sasl("SCRAM-SHA-512", "right"), user("SCRAM-SHA-512"), ""},
		// kfake hangs up on a wrong password, where Kafka answers: see connection_secure_test.go.
		{"a wrong password", "sasl_plaintext", kafka.TLS{}, sasl("PLAIN", "wrong"), user("PLAIN"), "closed at the login"},
		{"a wrong password for SCRAM", "sasl_plaintext", kafka.TLS{}, sasl("SCRAM-SHA-256", "wrong"), user("SCRAM-SHA-256"), "closed at the login"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := connect(t, tc.want, kafka.Connection{SecurityProtocol: tc.protocol, TLS: tc.tls, SASL: tc.sasl}, tc.broker...)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, which does not say %q", err, tc.want)
			case err != nil && (strings.Contains(err.Error(), "right") || strings.Contains(err.Error(), "wrong")):
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestTheErrorOfABrokerThatHungUpIsKeptWhenItIsSilentLater(t *testing.T) {
	kafkatest.Parallel(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			if connections = append(connections, connection); len(connections) == 1 {
				connection.Read(make([]byte, 1<<10)) // closing with unread data would be a reset
				connection.Close()
			}
		}
	}()
	defer func() {
		listener.Close()
		<-done
		for _, c := range connections {
			c.Close()
		}
	}()
	err = there(t, kafka.Config{
		Connection: kafka.Connection{
			Brokers: []string{listener.Addr().String()}, SecurityProtocol: "sasl_plaintext",
			SASL: kafka.SASL{Mechanism: "PLAIN", Username: "weir", Password: secret.New("wrong")},
		},
		BrokerTimeout: 3 * time.Second, Logger: logger(t), // on a busy machine, the first attempt takes long
	}, "in", "g")
	if err == nil || !strings.Contains(err.Error(), "closed at the login") || !errors.Is(err, weir.ErrUnavailable) {
		t.Errorf("got %v, which does not say \"closed at the login\"", err)
	}
}

func TestFilesOfAConnectionThatAreNoUseAreErrors(t *testing.T) {
	ours := newAuthority(t)
	certificate, key := ours.client()
	for _, tc := range []struct {
		name string
		tls  kafka.TLS
		want string
	}{
		{"no password", kafka.TLS{CertificatePEM: certificatePEM(certificate), KeyPEM: secret.New(keyPEM(t, key, "open"))}, "set KeyPassword"},
		{"wrong password", kafka.TLS{
			CertificatePEM: certificatePEM(certificate), KeyPEM: secret.New(keyPEM(t, key, "open")), KeyPassword: secret.New("shut"),
		}, "decrypt the key"},
		{"another key", kafka.TLS{CertificatePEM: certificatePEM(certificate), KeyPEM: secret.New(keyPEM(t, ours.key, ""))}, "certificate and key"},
		{"no keystore", kafka.TLS{KeystoreLocation: file(t, "keystore.p12", "x")}, "KeystoreLocation"},
		{"an old list", kafka.TLS{
			CRLLocation: file(t, "crl.pem", inPEM("X509 CRL", ours.revoke(certificate, time.Now().Add(-time.Hour)))),
		}, "is out of date"},
		{"no list", kafka.TLS{CRLLocation: file(t, "crl.pem", "x")}, "holds no list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := kafka.Connection{SecurityProtocol: "ssl", TLS: tc.tls}.Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "open") && tc.name != "no password" {
				t.Errorf("got %v, which does not say %q", err, tc.want)
			}
		})
	}
}
