package mysql

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/weirstreams/weir/secret"
)

// address is a parsed URL.
type address struct {
	host     string
	port     uint16
	user     string
	password secret.String
	database string
	tls      bool
}

func (a *address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(int(a.port))) }

// parseURL reads a URL. Its errors do not have parts of it that may be a password.
func parseURL(text string) (a address, err error) {
	if text == "" {
		return a, errors.New("it is empty")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return a, errors.New(`it is no URL like "mysql://user:password@host:3306/database"; characters of a password such as / and # are written as %2F and %23`)
	case u.Scheme != "mysql" && u.Scheme != "mysqls":
		return a, errors.New(`it does not begin with "mysql://" or "mysqls://"`)
	case u.Hostname() == "":
		return a, errors.New("it has no host")
	case u.RawQuery != "" || u.Fragment != "":
		return a, errors.New("it has settings behind ? or #, which are fields of the options")
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), "3306"), 10, 16)
	if err != nil || port == 0 {
		return a, fmt.Errorf("port %q is no number of a port", u.Port())
	}
	a = address{host: u.Hostname(), port: uint16(port), user: u.User.Username(), database: strings.TrimPrefix(u.Path, "/"), tls: u.Scheme == "mysqls"}
	password, _ := u.User.Password()
	a.password = secret.New(password)
	return a, nil
}

// secure returns the settings of TLS, or nil without it.
func (d *database[K, V]) secure() *tls.Config {
	if !d.address.tls {
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.options.TLS != nil {
		c = d.options.TLS.Clone()
	}
	c.ServerName = cmp.Or(c.ServerName, d.address.host)
	return c
}

// connection is a connection for queries.
type connection struct {
	*client.Conn
	raw net.Conn
}

// open makes a connection for queries, with the settings that decide about the form of values.
func (d *database[K, V]) open(ctx context.Context) (_ *connection, err error) {
	a := &d.address
	ctx, cancel := context.WithTimeout(ctx, d.options.ConnectTimeout)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", a.String())
	if err != nil {
		return nil, fmt.Errorf("connect to the server at %s: %w", a, err)
	}
	c := &connection{raw: raw}
	err = c.during(ctx, func() error {
		c.Conn, err = client.ConnectWithDialer(ctx, "tcp", a.String(), a.user, a.password.Reveal(), "", func(context.Context, string, string) (net.Conn, error) { return raw, nil }, func(c *client.Conn) error {
			c.ReadTimeout, c.WriteTimeout = d.options.Timeout, d.options.Timeout
			if secure := d.secure(); secure != nil {
				c.SetTLSConfig(secure)
			}
			return nil
		})
		return err
	})
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("connect to the server at %s as user %q: %w", a, a.user, err)
	}
	// The snapshot waits while the application is busy, so the server must not close its connection.
	if _, err := c.query(ctx, "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '', wait_timeout = 31536000, net_write_timeout = 31536000"); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("set up the connection to %s: %w", a, err)
	}
	return c, nil
}

// during calls a function that uses the connection. The connection is closed if the context ends before.
func (c *connection) during(ctx context.Context, call func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	defer stop()
	err := call()
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// query runs a statement.
func (c *connection) query(ctx context.Context, statement string, args ...any) (result *mysql.Result, err error) {
	err = c.during(ctx, func() error {
		result, err = c.Execute(statement, args...)
		return err
	})
	return result, err
}

// pairs returns the first two columns of a result as a map of texts.
func (c *connection) pairs(ctx context.Context, statement string, args ...any) (map[string]string, error) {
	result, err := c.query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	pairs := map[string]string{}
	for i := range result.RowNumber() {
		name, err := result.GetString(i, 0)
		if err != nil {
			return nil, err
		}
		if pairs[strings.ToLower(name)], err = result.GetString(i, 1); err != nil {
			return nil, err
		}
	}
	return pairs, nil
}

// quote quotes the name of a table or a column.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
