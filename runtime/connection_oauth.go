package runtime

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// tokenTimeout is how long a token endpoint may take to answer.
const tokenTimeout = 30 * time.Second

func (c *OAuthConfig) problems() (problems []error) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if _, err := parsePairs(c.Extensions, ","); err != nil {
		problem("SASL.OAuth.Extensions: %w", err)
	}
	switch {
	case c.Method == "oidc":
		if c.ClientID == "" || c.ClientSecret == "" {
			problem("SASL.OAuth.Method oidc needs ClientID and ClientSecret")
		}
		if u, err := url.Parse(c.TokenEndpointURL); err != nil || u.Host == "" {
			problem("SASL.OAuth.TokenEndpointURL %q is no URL", c.TokenEndpointURL)
		}
	case c.Method != "" && c.Method != "default":
		problem("SASL.OAuth.Method: unknown value %q: it is default or oidc", c.Method)
	case c.UnsecureJWT:
		if _, err := c.claims(time.Time{}); err != nil {
			problem("SASL.OAuth.Config: %w", err)
		}
	default:
		problem("SASL.Mechanism OAUTHBEARER needs SASL.Token, SASL.OAuth.Method oidc, or SASL.OAuth.UnsecureJWT")
	}
	return problems
}

// source returns where tokens come from. There are no problems.
func (c *OAuthConfig) source() TokenSource {
	extensions, _ := parsePairs(c.Extensions, ",")
	if c.UnsecureJWT && c.Method != "oidc" {
		return func(context.Context) (Token, error) {
			value, err := c.unsecured(time.Now())
			return Token{Value: Secret(value), Extensions: extensions}, err
		}
	}
	config := clientcredentials.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), TokenURL: c.TokenEndpointURL, Scopes: strings.Fields(c.Scope),
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
			return Token{}, fmt.Errorf("%s: %w", c.TokenEndpointURL, err)
		}
		return Token{Value: Secret(token.AccessToken), Extensions: extensions}, nil
	}
}

type tokenFunc func() (*oauth2.Token, error)

func (f tokenFunc) Token() (*oauth2.Token, error) { return f() }

// claims returns what an unsecured token says.
func (c *OAuthConfig) claims(now time.Time) (map[string]any, error) {
	pairs, err := parsePairs(c.Config, " \t\n")
	if err != nil {
		return nil, err
	}
	if unknown := unknownNames(pairs, "principal", "principalClaimName", "scope", "scopeClaimName", "lifeSeconds"); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown: %s", strings.Join(unknown, ", "))
	}
	if pairs["principal"] == "" {
		return nil, errors.New("principal is missing")
	}
	life, err := strconv.Atoi(cmp.Or(pairs["lifeSeconds"], "3600"))
	if err != nil || life <= 0 {
		return nil, fmt.Errorf("lifeSeconds %q is not a number of seconds", pairs["lifeSeconds"])
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
func (c *OAuthConfig) unsecured(now time.Time) (string, error) {
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
