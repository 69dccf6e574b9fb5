package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkaclient"
	"github.com/weirstreams/weir/secret"
)

// Connection holds the address, TLS and SASL settings of a cluster. The zero value speaks plain text, without a login. The
// documentation of each field names the option of librdkafka: ConnectionFromMap reads these options, and Map writes them.
type Connection struct {
	// Brokers (bootstrap.servers) are addresses of the cluster, as host:port.
	Brokers []string
	// ClientID (client.id) is the name under which the brokers log and limit the program. Its user sets the default: that of
	// runtime.App is the group.
	ClientID string
	// SecurityProtocol (security.protocol) is "plaintext", the default, "ssl", "sasl_plaintext" or "sasl_ssl".
	SecurityProtocol string
	// SASL is the login.
	SASL SASL
	// TLS names the trusted authorities, and the client's certificate if the cluster asks for one.
	TLS TLS
	// Sarama is the escape hatch for settings that Connection lacks: time-outs, a dialer. It edits the configuration of the Kafka
	// client, which is sarama, after everything else here was applied. The settings that the guarantees need are set afterwards.
	// Sarama is called for each connection and client, by several goroutines at once. No option of librdkafka stands for it.
	Sarama func(*sarama.Config) `json:"-"`
}

// SASL holds the settings of the login.
type SASL struct {
	// Mechanism (sasl.mechanism, sasl.mechanisms) is "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER" or "GSSAPI".
	Mechanism string
	// Username and Password (sasl.username, sasl.password) are for PLAIN and SCRAM.
	Username string
	Password secret.String
	// Token returns tokens for OAUTHBEARER. If it is nil, OAuth configures one of the built-in sources.
	Token TokenSource `json:"-"`
	// OAuth configures the built-in sources of tokens.
	OAuth OAuth
	// Kerberos is for GSSAPI.
	Kerberos Kerberos
}

// TokenSource returns a token for OAUTHBEARER. It is called for each connection, by any goroutine, and should keep tokens that
// are still good. An error fails the connection, which is tried again.
type TokenSource func(ctx context.Context) (Token, error)

// Token is a token for OAUTHBEARER.
type Token struct {
	Value secret.String
	// Extensions are SASL extensions (KIP-342).
	Extensions map[string]string
}

// OAuth configures the built-in sources of tokens.
type OAuth struct {
	// Method (sasl.oauthbearer.method) is "oidc" for a token endpoint, which is asked by the flow of client credentials
	// (RFC 6749, section 4.4). "default" is for UnsecureJWT.
	Method string
	// ClientID, ClientSecret, Scope and TokenEndpointURL (sasl.oauthbearer.client.id and so on) are for "oidc".
	ClientID         string
	ClientSecret     secret.String
	Scope            string
	TokenEndpointURL secret.URL
	// Extensions (sasl.oauthbearer.extensions) are SASL extensions, as "name=value,name=value".
	Extensions string
	// UnsecureJWT (enable.sasl.oauthbearer.unsecure.jwt) makes tokens without a signature, for clusters under development.
	// Config (sasl.oauthbearer.config) holds their claims: "principal=name lifeSeconds=3600 scope=a,b".
	UnsecureJWT bool
	Config      string
}

// Kerberos is for GSSAPI, with a keytab. KRB5_CONFIG names the configuration, /etc/krb5.conf by default.
type Kerberos struct {
	// ServiceName (sasl.kerberos.service.name) is the primary of the brokers. The default is "kafka".
	ServiceName string
	// Principal (sasl.kerberos.principal) is "name@REALM", Keytab (sasl.kerberos.keytab) the file with its keys.
	Principal, Keytab string
	// KinitCommand and MinTimeBeforeRelogin (sasl.kerberos.kinit.cmd, sasl.kerberos.min.time.before.relogin) are kept for
	// ConnectionFromMap and Map alone: tickets are fetched when they are needed.
	KinitCommand         string
	MinTimeBeforeRelogin int
}

// TLS holds the trusted authorities, the certificate of the client, and the rules of the verification. A field with PEM text takes
// the place of the file.
type TLS struct {
	// CALocation (ssl.ca.location) is a file with the certificates that are trusted, or a folder of such files; CAPEM
	// (ssl.ca.pem) is their text. The default is the authorities of the system.
	CALocation string
	CAPEM      secret.String
	// CertificateLocation or CertificatePEM (ssl.certificate.location, ssl.certificate.pem) is the client's certificate, with
	// those that lead to its authority; KeyLocation or KeyPEM (ssl.key.location, ssl.key.pem) its key, and KeyPassword
	// (ssl.key.password) the password of the key.
	CertificateLocation, CertificatePEM string
	KeyLocation                         string
	KeyPEM                              secret.String
	KeyPassword                         secret.String
	// KeystoreLocation and KeystorePassword (ssl.keystore.location, ssl.keystore.password) are a PKCS#12 file with both.
	KeystoreLocation string
	KeystorePassword secret.String
	// CRLLocation (ssl.crl.location) is a file with lists of revoked certificates, in PEM.
	CRLLocation string
	// CipherSuites (ssl.cipher.suites) are names of crypto/tls, separated by commas or colons. They are for TLS 1.2.
	CipherSuites string
	// Curves (ssl.curves.list) are X25519, P-256, P-384 and P-521, separated by colons.
	Curves string
	// SkipVerification (enable.ssl.certificate.verification=false) accepts any certificate.
	SkipVerification bool
	// EndpointIdentification (ssl.endpoint.identification.algorithm) is "https", the default, which compares the name in
	// the certificate with that of the broker, or "none".
	EndpointIdentification string
}

// Security protocols.
const (
	plaintext     = "plaintext"
	ssl           = "ssl"
	saslPlaintext = "sasl_plaintext"
	saslSSL       = "sasl_ssl"
)

// String returns the options as "name=value", sorted, with asterisks in the place of secrets.
func (c Connection) String() string {
	var b strings.Builder
	for _, o := range connectionOptions {
		v := o.get(&c)
		if v == "" {
			continue
		}
		if o.show != nil {
			v = o.show(&c)
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", o.name, v)
	}
	return b.String()
}

// LogValue implements [slog.LogValuer].
func (c Connection) LogValue() slog.Value { return slog.StringValue(c.String()) }

// normalize brings names into lower and upper case as they should be, and fills in defaults.
func (c *Connection) normalize() {
	c.SecurityProtocol = cmp.Or(strings.ToLower(c.SecurityProtocol), plaintext)
	c.SASL.Mechanism = strings.ToUpper(c.SASL.Mechanism)
	c.SASL.OAuth.Method = strings.ToLower(c.SASL.OAuth.Method)
	c.TLS.EndpointIdentification = strings.ToLower(c.TLS.EndpointIdentification)
}

// problems returns an error for each missing option and each wrong value. It reads no files.
func (c Connection) problems() []error {
	c.normalize()
	problems := c.wrongValues()
	switch {
	case c.usesSASL():
		problems = append(problems, c.SASL.missing()...)
	case c.SASL.configured() && c.knownProtocol():
		problems = append(problems, fmt.Errorf("SASL is configured, and SecurityProtocol is %q, which does not use it", c.SecurityProtocol))
	}
	if !c.usesTLS() && c.TLS != (TLS{}) && c.knownProtocol() {
		problems = append(problems, fmt.Errorf("TLS is configured, and SecurityProtocol is %q, which does not use it", c.SecurityProtocol))
	}
	return problems
}

// wrongValues returns an error for each option with a wrong value. The errors do not show values: a value may be a secret
// under the wrong name.
func (c Connection) wrongValues() (problems []error) {
	c.normalize()
	if !c.knownProtocol() {
		problems = append(problems, errors.New("SecurityProtocol: unknown value: it is plaintext, ssl, sasl_plaintext or sasl_ssl"))
	}
	return slices.Concat(problems, c.SASL.wrongValues(), c.TLS.wrongValues())
}

func (c *Connection) knownProtocol() bool {
	return slices.Contains([]string{plaintext, ssl, saslPlaintext, saslSSL}, c.SecurityProtocol)
}

func (c *Connection) usesSASL() bool { return strings.HasPrefix(c.SecurityProtocol, "sasl") }
func (c *Connection) usesTLS() bool  { return strings.HasSuffix(c.SecurityProtocol, "ssl") }

func init() {
	kafkaclient.Tune = func(connection any) (saramabroker.Tune, error) { return connection.(Connection).client() }
}

// Validate returns an error that names all missing options, wrong values and bad files, or nil. It reads the files. The error is a
// [weir.ErrConfiguration].
func (c Connection) Validate() error {
	_, err := c.client()
	return err
}

// client returns a function that puts the connection into a configuration of the Kafka client, or the error of Validate.
func (c Connection) client() (saramabroker.Tune, error) {
	problems := c.problems()
	c.normalize()
	var security *tls.Config
	if c.usesTLS() {
		var err error
		security, err = c.TLS.load(time.Now())
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, &connectionError{err.Error()}
	}
	if c.SASL.Mechanism == sarama.SASLTypeOAuth && c.SASL.Token == nil {
		c.SASL.Token = c.SASL.OAuth.source() // one for all clients, which keeps tokens
	}
	return func(s *sarama.Config) {
		if c.ClientID != "" {
			s.ClientID = c.ClientID
		}
		if security != nil {
			s.Net.TLS.Enable, s.Net.TLS.Config = true, security.Clone()
		}
		if c.usesSASL() {
			c.SASL.apply(s)
		}
		if c.Sarama != nil {
			c.Sarama(s)
		}
	}, nil
}
