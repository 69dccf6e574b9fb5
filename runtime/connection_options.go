package runtime

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// connectionOption is one of librdkafka's options.
type connectionOption struct {
	name   string
	secret bool
	get    func(*ConnectionConfig) string
	set    func(*ConnectionConfig, string) error
}

// text is an option whose field is text; normal brings it into its usual case.
func text[S ~string](name string, field func(*ConnectionConfig) *S, normal ...func(string) string) connectionOption {
	_, secret := any(S("")).(Secret)
	return connectionOption{
		name: name, secret: secret,
		get: func(c *ConnectionConfig) string { return string(*field(c)) },
		set: func(c *ConnectionConfig, v string) error {
			for _, f := range normal {
				v = f(v)
			}
			*field(c) = S(v)
			return nil
		},
	}
}

// connectionOptions are all options, sorted by name.
var connectionOptions = []connectionOption{
	{
		name: "bootstrap.servers",
		get:  func(c *ConnectionConfig) string { return strings.Join(c.Brokers, ",") },
		set: func(c *ConnectionConfig, v string) error {
			c.Brokers = nil
			for b := range strings.SplitSeq(v, ",") {
				if b = strings.TrimSpace(b); b != "" {
					c.Brokers = append(c.Brokers, b)
				}
			}
			return nil
		},
	},
	text("client.id", func(c *ConnectionConfig) *string { return &c.ClientID }),
	flag("enable.sasl.oauthbearer.unsecure.jwt", func(c *ConnectionConfig) *bool { return &c.SASL.OAuth.UnsecureJWT }, true),
	flag("enable.ssl.certificate.verification", func(c *ConnectionConfig) *bool { return &c.TLS.SkipVerification }, false),
	text("sasl.kerberos.keytab", func(c *ConnectionConfig) *string { return &c.SASL.Kerberos.Keytab }),
	text("sasl.kerberos.kinit.cmd", func(c *ConnectionConfig) *string { return &c.SASL.Kerberos.KinitCommand }),
	{
		name: "sasl.kerberos.min.time.before.relogin",
		get: func(c *ConnectionConfig) string {
			if n := c.SASL.Kerberos.MinTimeBeforeRelogin; n != 0 {
				return strconv.Itoa(n)
			}
			return ""
		},
		set: func(c *ConnectionConfig, v string) (err error) {
			c.SASL.Kerberos.MinTimeBeforeRelogin, err = strconv.Atoi(v)
			return err
		},
	},
	text("sasl.kerberos.principal", func(c *ConnectionConfig) *string { return &c.SASL.Kerberos.Principal }),
	text("sasl.kerberos.service.name", func(c *ConnectionConfig) *string { return &c.SASL.Kerberos.ServiceName }),
	text("sasl.mechanism", func(c *ConnectionConfig) *string { return &c.SASL.Mechanism }, strings.ToUpper),
	text("sasl.oauthbearer.client.id", func(c *ConnectionConfig) *string { return &c.SASL.OAuth.ClientID }),
	text("sasl.oauthbearer.client.secret", func(c *ConnectionConfig) *Secret { return &c.SASL.OAuth.ClientSecret }),
	text("sasl.oauthbearer.config", func(c *ConnectionConfig) *string { return &c.SASL.OAuth.Config }),
	text("sasl.oauthbearer.extensions", func(c *ConnectionConfig) *string { return &c.SASL.OAuth.Extensions }),
	text("sasl.oauthbearer.method", func(c *ConnectionConfig) *string { return &c.SASL.OAuth.Method }, strings.ToLower),
	text("sasl.oauthbearer.scope", func(c *ConnectionConfig) *string { return &c.SASL.OAuth.Scope }),
	text("sasl.oauthbearer.token.endpoint.url", func(c *ConnectionConfig) *string { return &c.SASL.OAuth.TokenEndpointURL }),
	text("sasl.password", func(c *ConnectionConfig) *Secret { return &c.SASL.Password }),
	text("sasl.username", func(c *ConnectionConfig) *string { return &c.SASL.Username }),
	text("security.protocol", func(c *ConnectionConfig) *string { return &c.SecurityProtocol }, strings.ToLower),
	text("ssl.ca.location", func(c *ConnectionConfig) *string { return &c.TLS.CALocation }),
	text("ssl.ca.pem", func(c *ConnectionConfig) *Secret { return &c.TLS.CAPEM }),
	text("ssl.certificate.location", func(c *ConnectionConfig) *string { return &c.TLS.CertificateLocation }),
	text("ssl.certificate.pem", func(c *ConnectionConfig) *string { return &c.TLS.CertificatePEM }),
	text("ssl.cipher.suites", func(c *ConnectionConfig) *string { return &c.TLS.CipherSuites }),
	text("ssl.crl.location", func(c *ConnectionConfig) *string { return &c.TLS.CRLLocation }),
	text("ssl.curves.list", func(c *ConnectionConfig) *string { return &c.TLS.Curves }),
	text("ssl.endpoint.identification.algorithm", func(c *ConnectionConfig) *string { return &c.TLS.EndpointIdentification }, strings.ToLower),
	text("ssl.key.location", func(c *ConnectionConfig) *string { return &c.TLS.KeyLocation }),
	text("ssl.key.password", func(c *ConnectionConfig) *Secret { return &c.TLS.KeyPassword }),
	text("ssl.key.pem", func(c *ConnectionConfig) *Secret { return &c.TLS.KeyPEM }),
	text("ssl.keystore.location", func(c *ConnectionConfig) *string { return &c.TLS.KeystoreLocation }),
	text("ssl.keystore.password", func(c *ConnectionConfig) *Secret { return &c.TLS.KeystorePassword }),
}

// flag is an option that is on or off. It is written where the field is set; set is what the option is then.
func flag(name string, field func(*ConnectionConfig) *bool, set bool) connectionOption {
	return connectionOption{
		name: name,
		get: func(c *ConnectionConfig) string {
			if *field(c) {
				return strconv.FormatBool(set)
			}
			return ""
		},
		set: func(c *ConnectionConfig, v string) error {
			b, err := strconv.ParseBool(v)
			*field(c) = b == set
			return err
		},
	}
}

// optionAliases are other names of options.
var optionAliases = map[string]string{"sasl.mechanisms": "sasl.mechanism", "metadata.broker.list": "bootstrap.servers"}

// withoutMeaning are options of librdkafka that crypto/tls has nothing for, and what to do instead.
var withoutMeaning = map[string]string{
	"ssl.sigalgs.list":          "signature algorithms cannot be chosen in Go",
	"ssl.ca.certificate.stores": "the system's certificates are used where no others are given",
	"ssl.providers":             "there is no OpenSSL here; give certificate and key as PEM",
	"ssl.engine.location":       "there is no OpenSSL here; give certificate and key as PEM",
	"ssl.engine.id":             "there is no OpenSSL here; give certificate and key as PEM",
	"oauth_cb":                  "set SASL.Token",
}

// ConnectionFromMap reads librdkafka's options. Dots and underscores in their names are the same. All that is wrong is said
// at once, without the values of secrets: options that are unknown, and those that have no meaning here.
func ConnectionFromMap(options map[string]string) (ConnectionConfig, error) {
	c, unknown, problems := readConnection(options)
	for _, name := range unknown {
		problems = append(problems, name+": unknown option")
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return c, fmt.Errorf("connection: %s", strings.Join(problems, "\n"))
	}
	return c, nil
}

// ConnectionFromMapIgnoring is ConnectionFromMap for maps that hold other options of a client as well: it returns the names of
// those that it has left alone, sorted.
func ConnectionFromMapIgnoring(options map[string]string) (c ConnectionConfig, ignored []string, err error) {
	c, ignored, problems := readConnection(options)
	if len(problems) > 0 {
		return c, ignored, fmt.Errorf("connection: %s", strings.Join(problems, "\n"))
	}
	return c, ignored, nil
}

// ConnectionFromEnvironment reads options from environment variables: with the prefix "KAFKA_", KAFKA_SASL_USERNAME is
// sasl.username. Other variables with the prefix are left alone, as container platforms set some of their own.
func ConnectionFromEnvironment(prefix string) (ConnectionConfig, error) {
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

func readConnection(options map[string]string) (c ConnectionConfig, unknown, problems []string) {
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
			problems = append(problems, fmt.Sprintf("%s: %q is not a value of this option", name, value))
		}
	}
	slices.Sort(unknown)
	slices.Sort(problems)
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
func (c ConnectionConfig) Map() map[string]string {
	options := map[string]string{}
	for _, o := range connectionOptions {
		if v := o.get(&c); v != "" {
			options[o.name] = v
		}
	}
	return options
}
