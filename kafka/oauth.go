package kafka

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/weirstreams/weir/secret"
)

// tokenTimeout is how long a token endpoint may take to answer.
const tokenTimeout = 30 * time.Second

// wrongValues returns an error for each option with a wrong value.
func (c *OAuth) wrongValues() (problems []error) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Method != "" && c.Method != "default" && c.Method != "oidc" {
		problem("SASL.OAuth.Method: unknown value: it is default or oidc")
	}
	if _, err := parsePairs(c.Extensions, ","); err != nil {
		problem("SASL.OAuth.Extensions: %w", err)
	}
	if !c.TokenEndpointURL.IsZero() {
		u, err := url.Parse(c.TokenEndpointURL.Reveal())
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			problem("SASL.OAuth.TokenEndpointURL is no URL: want http:// or https:// and a host")
		}
	}
	return problems
}

// missing returns an error for each option that is needed and not set.
func (c *OAuth) missing() (problems []error) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch {
	case c.Method == "oidc":
		if c.ClientID == "" || c.ClientSecret.IsZero() || c.TokenEndpointURL.IsZero() {
			problem("SASL.OAuth.Method oidc needs ClientID, ClientSecret and TokenEndpointURL")
		}
	case c.Method != "" && c.Method != "default": // which is a wrong value
	case c.UnsecureJWT:
		if _, err := c.claims(time.Time{}); err != nil {
			problem("SASL.OAuth.Config: %w", err)
		}
	default:
		problem("SASL.Mechanism OAUTHBEARER needs SASL.Token, SASL.OAuth.Method oidc, or SASL.OAuth.UnsecureJWT")
	}
	return problems
}

// source returns a source of tokens. It is called when wrongValues and missing have found no problem.
func (c *OAuth) source() TokenSource {
	extensions, _ := parsePairs(c.Extensions, ",")
	if c.UnsecureJWT && c.Method != "oidc" {
		return func(context.Context) (Token, error) {
			value, err := c.unsecured(time.Now())
			return Token{Value: secret.New(value), Extensions: extensions}, err
		}
	}
	config := clientcredentials.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), TokenURL: c.TokenEndpointURL.Reveal(), Scopes: strings.Fields(c.Scope),
		AuthStyle: oauth2.AuthStyleInHeader,
	}
	// It keeps a token until shortly before its end.
	tokens := oauth2.ReuseTokenSource(nil, tokenFunc(func() (*oauth2.Token, error) {
		ctx, cancel := context.WithTimeout(context.Background(), tokenTimeout)
		defer cancel()
		return config.Token(ctx)
	}))
	return func(context.Context) (Token, error) {
		token, err := tokens.Token()
		if err != nil {
			return Token{}, fmt.Errorf("%v: %w", c.TokenEndpointURL, c.withoutSecrets(err))
		}
		return Token{Value: secret.New(token.AccessToken), Extensions: extensions}, nil
	}
}

// withoutSecrets returns an error of the token endpoint without the address, and without the client secret, which an endpoint
// that does not understand the request may send back.
func (c *OAuth) withoutSecrets(err error) error {
	err = secret.WithoutURL(err)
	text := err.Error()
	for _, hidden := range []string{c.ClientSecret.Reveal(), url.QueryEscape(c.ClientSecret.Reveal()), c.TokenEndpointURL.Reveal()} {
		if hidden != "" && strings.Contains(text, hidden) {
			text = strings.ReplaceAll(text, hidden, secret.Mask)
			err = errors.New(text)
		}
	}
	return err
}

type tokenFunc func() (*oauth2.Token, error)

func (f tokenFunc) Token() (*oauth2.Token, error) { return f() }

// claims returns the claims of an unsecured token.
func (c *OAuth) claims(now time.Time) (map[string]any, error) {
	pairs, err := parsePairs(c.Config, " \t\n")
	if err != nil {
		return nil, err
	}
	known := []string{"principal", "principalClaimName", "scope", "scopeClaimName", "lifeSeconds"}
	for name := range pairs {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there are other names than %s", strings.Join(known, ", "))
		}
	}
	if pairs["principal"] == "" {
		return nil, errors.New("principal is missing")
	}
	life, err := strconv.Atoi(cmp.Or(pairs["lifeSeconds"], "3600"))
	if err != nil || life <= 0 {
		return nil, errors.New("lifeSeconds is not a number of seconds")
	}
	claims := map[string]any{
		cmp.Or(pairs["principalClaimName"], "sub"): pairs["principal"],
		"iat": now.Unix(), "exp": now.Add(time.Duration(life) * time.Second).Unix(),
	}
	if scope := pairs["scope"]; scope != "" {
		claims[cmp.Or(pairs["scopeClaimName"], "scope")] = strings.Split(scope, ",")
	}
	return claims, nil
}

// unsecured returns a JSON Web Token without a signature (RFC 7519, section 6).
func (c *OAuth) unsecured(now time.Time) (string, error) {
	claims, err := c.claims(now)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + ".", nil
}
