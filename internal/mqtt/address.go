package mqtt

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
)

// Address is where a broker is, without secrets.
type Address struct {
	// Host is host:port.
	Host string
	// Login returns user and password. They lie in a function, so that packages that print by reflection do not show them.
	Login func() (user, password string)

	name   string
	secure bool
}

// ParseAddress parses the URL of a broker. Its errors have no part of the URL that may be a secret.
func ParseAddress(text string) (a Address, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return a, errors.New("URL is malformed: it is something like mqtts://user:password@host:8883")
	}
	port := u.Port()
	switch u.Scheme {
	case "mqtt", "tcp":
		if port == "" {
			port = "1883"
		}
	case "mqtts", "ssl", "tls":
		a.secure = true
		if port == "" {
			port = "8883"
		}
	default:
		return a, errors.New("URL begins with neither mqtt:// nor mqtts://")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return a, errors.New("URL has a path or parameters, which MQTT does not know")
	}
	user := u.User.Username()
	password, _ := u.User.Password()
	if password != "" && user == "" {
		return a, errors.New("URL has a password without a user")
	}
	a.name, a.Host = u.Hostname(), net.JoinHostPort(u.Hostname(), port)
	a.Login = func() (string, string) { return user, password }
	return a, nil
}

// TLS returns the settings of a connection, or nil without TLS.
func (a *Address) TLS(settings *tls.Config) *tls.Config {
	if !a.secure {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if settings != nil {
		config = settings.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = a.name
	}
	return config
}
