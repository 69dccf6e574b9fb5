package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
)

// Config says where a schema registry is and how to talk to it. Only URLs is needed. Printed in any way it is its addresses,
// without credentials.
type Config struct {
	// URLs are the addresses of the registry. The next is tried when one cannot be reached. User and password may be
	// part of them ("https://user:password@host"), the same in all; a query may not.
	URLs []secret.URL
	// User and Password are for basic authentication.
	User     string
	Password secret.String
	// BearerToken is for token authentication, in place of User.
	BearerToken secret.String

	// CAFile names a file of PEM certificates that the registry's certificate is checked against, in place of those of
	// the system.
	CAFile string
	// CertFile and KeyFile name PEM files of the client's certificate and key, for mutual TLS.
	CertFile, KeyFile string
	// TLS is for all else about TLS. It is cloned, and the files are added to it.
	TLS *tls.Config

	// Timeout limits one request. The default is 10 s. A call of a codec takes at most twice that, repetitions included.
	Timeout time.Duration
	// Retries is how often a request is repeated that got no answer or an answer of status 408, 429, 500, 502, 503 or
	// 504. The default is 3, a negative number means none.
	Retries int
	// RetryBase and RetryMax say how long to wait: before the n-th repetition a random time up to RetryBase * 2^(n-1),
	// but at most RetryMax. The defaults are 1 s and 20 s.
	RetryBase, RetryMax time.Duration
}

// String returns the addresses, without secrets.
func (c Config) String() string {
	shown := make([]string, len(c.URLs))
	for i, u := range c.URLs {
		shown[i] = u.String()
	}
	return "schema registry " + strings.Join(shown, ",")
}

// Format implements [fmt.Formatter], for every verb: it writes String.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer]: it returns String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler]: it returns String, which cannot be read back.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// NewClient checks a configuration, reads its files and returns a client. It does not talk to the registry yet. The error is a
// weir.ErrConfiguration, and names everything that is wrong.
func NewClient(config Config) (*Client, error) {
	c := &Client{config: config}
	options, err := c.options()
	if err != nil {
		return nil, fmt.Errorf("schema registry: %w: %w", weir.ErrConfiguration, err)
	}
	if c.http, err = sr.NewClient(options...); err != nil {
		return nil, fmt.Errorf("schema registry: %w: %w", weir.ErrConfiguration, err)
	}
	return c, nil
}

func (c *Client) options() ([]sr.ClientOpt, error) {
	config := &c.config
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Retries == 0 {
		config.Retries = 3
	}
	if config.RetryBase == 0 {
		config.RetryBase = time.Second
	}
	if config.RetryMax == 0 {
		config.RetryMax = 20 * time.Second
	}
	urls, err := config.takeUser()
	problems := []error{err}
	client := &http.Client{Timeout: config.Timeout}
	options := []sr.ClientOpt{sr.URLs(urls...), sr.HTTPClient(client), sr.UserAgent("weir")}
	switch {
	case config.User != "" && !config.BearerToken.IsZero():
		problems = append(problems, errors.New("both User and BearerToken are set"))
	case config.User != "":
		options = append(options, sr.BasicAuth(config.User, config.Password.Reveal()))
	case !config.BearerToken.IsZero():
		options = append(options, sr.BearerToken(config.BearerToken.Reveal()))
	}
	transport, err := config.tls()
	if transport != nil {
		options = append(options, sr.DialTLSConfig(transport))
	}
	return options, errors.Join(append(problems, err)...)
}

// takeUser returns the URLs without the user and password in them, which go to the fields. Errors name URLs, and so they
// must hold no secrets.
func (c *Config) takeUser() ([]string, error) {
	if len(c.URLs) == 0 {
		return nil, errors.New("no URL")
	}
	fromFields := c.User != ""
	var urls []string
	var problems []error
	for i, raw := range c.URLs {
		wrong := func(text string) { problems = append(problems, fmt.Errorf("URL number %d: %s", i+1, text)) }
		u, err := url.Parse(strings.TrimSpace(raw.Reveal()))
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			wrong("want http:// or https:// and a host")
			continue
		}
		if u.RawQuery != "" || u.Fragment != "" { // errors would show them
			wrong("it has a query or a fragment, which a registry has no use for")
		}
		if u.User != nil {
			text, _ := u.User.Password()
			password := secret.New(text)
			if fromFields || i > 0 && (c.User != u.User.Username() || !c.Password.Equal(password)) {
				wrong("there are several users")
			}
			c.User, c.Password = u.User.Username(), password
			u.User = nil
		}
		urls = append(urls, u.String())
	}
	return urls, errors.Join(problems...)
}

// tls returns the configuration of TLS, or nil for the defaults.
func (c *Config) tls() (*tls.Config, error) {
	if c.TLS == nil && c.CAFile == "" && c.CertFile == "" && c.KeyFile == "" {
		return nil, nil
	}
	t := c.TLS.Clone()
	if t == nil {
		t = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	var problems []error
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		t.RootCAs = x509.NewCertPool()
		if err != nil {
			problems = append(problems, fmt.Errorf("CAFile: %w", err))
		} else if !t.RootCAs.AppendCertsFromPEM(pem) {
			problems = append(problems, fmt.Errorf("CAFile %s: no certificate in it", c.CAFile))
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		problems = append(problems, errors.New("CertFile and KeyFile need each other"))
	} else if c.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			problems = append(problems, fmt.Errorf("CertFile and KeyFile: %w", err))
		}
		t.Certificates = append(t.Certificates, certificate)
	}
	return t, errors.Join(problems...)
}
