package portal

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
)

// Environment variables of the platform. Empty ones count as missing.
const (
	// TokenVariable has the default of Config.Token.
	TokenVariable = "Quix__Sdk__Token"
	// URLVariable has the default of Config.URL.
	URLVariable = "Quix__Portal__Api"
	// WorkspaceVariable has the id of the workspace of a program on the platform.
	WorkspaceVariable = "Quix__Workspace__Id"
)

// Config says how to reach the portal. The zero value is right for programs on the platform, whose environment has the rest.
type Config struct {
	// URL is the address of the portal's API, as https://portal-api.platform.quix.io. The default is in Quix__Portal__Api.
	URL string

	// Token is an SDK token, which is good for one workspace, or a personal access token, which is good for those of its user. It is sent as a
	// bearer token to URL alone, and never after a redirect. The default is in Quix__Sdk__Token.
	Token secret.String

	// RequestTimeout is how long an answer may take. The default is 30 s.
	RequestTimeout time.Duration

	// HTTPClient sends the requests. The default uses the proxy that the environment names. Redirects are refused with any client.
	HTTPClient *http.Client

	// Logger is told of requests that are sent again. The default is slog.Default.
	Logger *slog.Logger
}

// withDefaults returns the configuration with all defaults filled in, or everything that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var problems []error
	c.URL = cmp.Or(c.URL, os.Getenv(URLVariable))
	if c.Token.IsZero() {
		c.Token = secret.New(os.Getenv(TokenVariable))
	}
	if c.Token.IsZero() {
		problems = append(problems, fmt.Errorf("there is no token: set Token or the environment variable %s", TokenVariable))
	}
	if strings.ContainsFunc(c.Token.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		problems = append(problems, errors.New("the token holds a space, a line break or another character that no token has"))
	}
	if c.URL == "" {
		problems = append(problems, fmt.Errorf("there is no address of the portal: set URL or the environment variable %s", URLVariable))
	} else if err := checkURL(c.URL); err != nil {
		problems = append(problems, err)
	}
	if c.RequestTimeout < 0 {
		problems = append(problems, errors.New("RequestTimeout is negative"))
	}
	if len(problems) > 0 {
		return c, fmt.Errorf("%w: portal: %w", weir.ErrConfiguration, errors.Join(problems...))
	}
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 30*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{}
	}
	return c, nil
}

// checkURL returns the mistake in the address of a portal, or nil. The error does not show credentials in the address.
func checkURL(address string) error {
	u, err := url.Parse(address)
	shown := secret.NewURL(address)
	switch {
	case err != nil:
		return fmt.Errorf("URL: %w", secret.WithoutURL(err))
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("URL %s: want https://host", shown)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("URL %s has a user, a query or a fragment: want https://host", shown)
	}
	return nil
}
