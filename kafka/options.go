package kafka

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/secret"
)

// connectionOption is one of librdkafka's options.
type connectionOption struct {
	name string
	get  func(*Connection) string
	// show is get for people, without secrets. nil means get.
	show func(*Connection) string
	// set reads a value. Its error describes good values, and does not show the given one: it may be a secret under the wrong
	// name.
	set func(*Connection, string) error
}

// text returns an option with a string field; normal brings a value into its usual case.
func text(name string, field func(*Connection) *string, normal ...func(string) string) connectionOption {
	return connectionOption{
		name: name,
		get:  func(c *Connection) string { return *field(c) },
		set: func(c *Connection, v string) error {
			for _, f := range normal {
				v = f(v)
			}
			*field(c) = v
			return nil
		},
	}
}

// hidden returns an option with a secret field.
func hidden(name string, field func(*Connection) *secret.String) connectionOption {
	return connectionOption{
		name: name,
		get:  func(c *Connection) string { return field(c).Reveal() },
		show: func(c *Connection) string { return field(c).String() },
		set:  func(c *Connection, v string) error { *field(c) = secret.New(v); return nil },
	}
}

// address returns an option with a URL field.
func address(name string, field func(*Connection) *secret.URL) connectionOption {
	return connectionOption{
		name: name,
		get:  func(c *Connection) string { return field(c).Reveal() },
		show: func(c *Connection) string { return field(c).String() },
		set:  func(c *Connection, v string) error { *field(c) = secret.NewURL(v); return nil },
	}
}

// connectionOptions are all options, sorted by name.
var connectionOptions = []connectionOption{
	{
		name: "bootstrap.servers",
		get:  func(c *Connection) string { return strings.Join(c.Brokers, ",") },
		set: func(c *Connection, v string) error {
			c.Brokers = nil
			for b := range strings.SplitSeq(v, ",") {
				c.Brokers = append(c.Brokers, strings.TrimSpace(b)) // an empty one is refused like others that are no addresses
			}
			return nil
		},
	},
	text("client.id", func(c *Connection) *string { return &c.ClientID }),
	flag("enable.sasl.oauthbearer.unsecure.jwt", func(c *Connection) *bool { return &c.SASL.OAuth.UnsecureJWT }, true),
	flag("enable.ssl.certificate.verification", func(c *Connection) *bool { return &c.TLS.SkipVerification }, false),
	text("sasl.kerberos.keytab", func(c *Connection) *string { return &c.SASL.Kerberos.Keytab }),
	text("sasl.kerberos.kinit.cmd", func(c *Connection) *string { return &c.SASL.Kerberos.KinitCommand }),
	{
		name: "sasl.kerberos.min.time.before.relogin",
		get: func(c *Connection) string {
			if n := c.SASL.Kerberos.MinTimeBeforeRelogin; n != 0 {
				return strconv.Itoa(n)
			}
			return ""
		},
		set: func(c *Connection, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil {
				return errors.New("want a whole number of milliseconds")
			}
			c.SASL.Kerberos.MinTimeBeforeRelogin = n
			return nil
		},
	},
	text("sasl.kerberos.principal", func(c *Connection) *string { return &c.SASL.Kerberos.Principal }),
	text("sasl.kerberos.service.name", func(c *Connection) *string { return &c.SASL.Kerberos.ServiceName }),
	text("sasl.mechanism", func(c *Connection) *string { return &c.SASL.Mechanism }, strings.ToUpper),
	text("sasl.oauthbearer.client.id", func(c *Connection) *string { return &c.SASL.OAuth.ClientID }),
	hidden("sasl.oauthbearer.client.secret", func(c *Connection) *secret.String { return &c.SASL.OAuth.ClientSecret }),
	text("sasl.oauthbearer.config", func(c *Connection) *string { return &c.SASL.OAuth.Config }),
	text("sasl.oauthbearer.extensions", func(c *Connection) *string { return &c.SASL.OAuth.Extensions }),
	text("sasl.oauthbearer.method", func(c *Connection) *string { return &c.SASL.OAuth.Method }, strings.ToLower),
	text("sasl.oauthbearer.scope", func(c *Connection) *string { return &c.SASL.OAuth.Scope }),
	address("sasl.oauthbearer.token.endpoint.url", func(c *Connection) *secret.URL { return &c.SASL.OAuth.TokenEndpointURL }),
	hidden("sasl.password", func(c *Connection) *secret.String { return &c.SASL.Password }),
	text("sasl.username", func(c *Connection) *string { return &c.SASL.Username }),
	text("security.protocol", func(c *Connection) *string { return &c.SecurityProtocol }, strings.ToLower),
	text("ssl.ca.location", func(c *Connection) *string { return &c.TLS.CALocation }),
	hidden("ssl.ca.pem", func(c *Connection) *secret.String { return &c.TLS.CAPEM }),
	text("ssl.certificate.location", func(c *Connection) *string { return &c.TLS.CertificateLocation }),
	text("ssl.certificate.pem", func(c *Connection) *string { return &c.TLS.CertificatePEM }),
	text("ssl.cipher.suites", func(c *Connection) *string { return &c.TLS.CipherSuites }),
	text("ssl.crl.location", func(c *Connection) *string { return &c.TLS.CRLLocation }),
	text("ssl.curves.list", func(c *Connection) *string { return &c.TLS.Curves }),
	text("ssl.endpoint.identification.algorithm", func(c *Connection) *string { return &c.TLS.EndpointIdentification }, strings.ToLower),
	text("ssl.key.location", func(c *Connection) *string { return &c.TLS.KeyLocation }),
	hidden("ssl.key.password", func(c *Connection) *secret.String { return &c.TLS.KeyPassword }),
	hidden("ssl.key.pem", func(c *Connection) *secret.String { return &c.TLS.KeyPEM }),
	text("ssl.keystore.location", func(c *Connection) *string { return &c.TLS.KeystoreLocation }),
	hidden("ssl.keystore.password", func(c *Connection) *secret.String { return &c.TLS.KeystorePassword }),
}

// flag returns an option that is on or off. Map writes it if the field is true; its value is then set.
func flag(name string, field func(*Connection) *bool, set bool) connectionOption {
	return connectionOption{
		name: name,
		get: func(c *Connection) string {
			if *field(c) {
				return strconv.FormatBool(set)
			}
			return ""
		},
		set: func(c *Connection, v string) error {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return errors.New("want true or false")
			}
			*field(c) = b == set
			return nil
		},
	}
}

// optionAliases are other names of options.
var optionAliases = map[string]string{"sasl.mechanisms": "sasl.mechanism", "metadata.broker.list": "bootstrap.servers"}

// withoutMeaning maps options of librdkafka without a counterpart in crypto/tls to the remedy.
var withoutMeaning = map[string]string{
	"ssl.sigalgs.list":          "signature algorithms cannot be chosen in Go",
	"ssl.ca.certificate.stores": "the system's certificates are used where no others are given",
	"ssl.providers":             "there is no OpenSSL here; give certificate and key as PEM",
	"ssl.engine.location":       "there is no OpenSSL here; give certificate and key as PEM",
	"ssl.engine.id":             "there is no OpenSSL here; give certificate and key as PEM",
	"oauth_cb":                  "set SASL.Token",
}

// ConnectionFromMap reads librdkafka's options. Dots and underscores in their names are the same. The error names everything
// that is wrong at once, and no values but the paths of files: options that are unknown or have no meaning here, values that an option
// does not take, an empty address of a broker, and, if security.protocol uses TLS, files without a usable certificate, key or list.
// Options that are missing, which the program may set later, are checked by [Connection.Validate], [NewConsumer], [NewProducer] and
// runtime.New; so are files again. The error is a weir.ErrConfiguration.
func ConnectionFromMap(options map[string]string) (Connection, error) {
	c, unknown, problems := readConnection(options)
	for _, name := range unknown {
		problems = append(problems, name+": unknown option")
	}
	return c, wrongConnection(problems)
}

// ConnectionFromMapIgnoring is ConnectionFromMap for maps that hold other options of a client as well: it returns the names of
// those that it has left alone, sorted. The error is a weir.ErrConfiguration.
func ConnectionFromMapIgnoring(options map[string]string) (c Connection, ignored []string, err error) {
	c, ignored, problems := readConnection(options)
	return c, ignored, wrongConnection(problems)
}

// wrongConnection returns an error that names all problems, sorted, one per line.
func wrongConnection(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return &connectionError{strings.Join(problems, "\n")}
}

// connectionError names all mistakes in a Connection. It is a weir.ErrConfiguration.
type connectionError struct{ problems string }

func (e *connectionError) Error() string { return "connection: " + e.problems }
func (e *connectionError) Unwrap() error { return weir.ErrConfiguration }

// ConnectionFromEnvironment reads options from environment variables: with the prefix "KAFKA_", KAFKA_SASL_USERNAME is
// sasl.username. Other variables with the prefix are left alone, as container platforms set some of their own. The error is a
// weir.ErrConfiguration.
func ConnectionFromEnvironment(prefix string) (Connection, error) {
	options := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if rest, ok := strings.CutPrefix(name, prefix); ok && value != "" {
			options[rest] = value
		}
	}
	c, _, err := ConnectionFromMapIgnoring(options)
	return c, err
}

func readConnection(options map[string]string) (c Connection, unknown, problems []string) {
	dotted := func(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", ".") }
	given := map[string]string{} // option to the name that it was given under
	for name, value := range options {
		option := dotted(name)
		if alias, ok := optionAliases[option]; ok {
			option = alias
		}
		if first, ok := given[option]; ok {
			problems = append(problems, fmt.Sprintf("%s and %s are the same option", min(first, name), max(first, name)))
			continue
		}
		given[option] = name
		if why, ok := meaningless(option); ok {
			problems = append(problems, fmt.Sprintf("%s is not supported: %s", name, why))
			continue
		}
		i := slices.IndexFunc(connectionOptions, func(o connectionOption) bool { return o.name == option })
		if i < 0 {
			unknown = append(unknown, name)
			continue
		}
		if err := connectionOptions[i].set(&c, value); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", name, err))
		}
	}
	slices.Sort(unknown)
	if len(c.Brokers) > 0 { // else they may be given elsewhere
		saramabroker.CheckBrokers("Brokers", c.Brokers, func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) })
	}
	for _, err := range c.wrongValues() {
		problems = append(problems, err.Error())
	}
	if c.usesTLS() && len(c.TLS.wrongPaths()) == 0 {
		if _, err := c.TLS.load(time.Now()); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return c, unknown, problems
}

func meaningless(option string) (why string, ok bool) {
	for name, why := range withoutMeaning {
		if strings.ReplaceAll(name, "_", ".") == option {
			return why, true
		}
	}
	return "", false
}

// Map returns the options that are set, by librdkafka's names, with secrets in plain text. SASL.Token has none.
func (c Connection) Map() map[string]string {
	options := map[string]string{}
	for _, o := range connectionOptions {
		if v := o.get(&c); v != "" {
			options[o.name] = v
		}
	}
	return options
}
