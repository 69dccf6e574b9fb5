package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// mechanisms lists the known mechanisms for error texts.
const mechanisms = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or GSSAPI"

// configured reports whether anything is set.
func (c *SASL) configured() bool {
	return c.Mechanism != "" || c.Username != "" || !c.Password.IsZero() || c.Token != nil
}

// wrongValues returns an error for each option with a wrong value.
func (c *SASL) wrongValues() (problems []error) {
	switch c.Mechanism {
	case "", sarama.SASLTypePlaintext, sarama.SASLTypeSCRAMSHA256, sarama.SASLTypeSCRAMSHA512, sarama.SASLTypeOAuth, sarama.SASLTypeGSSAPI:
	default:
		problems = append(problems, errors.New("SASL.Mechanism: unknown value: it is "+mechanisms))
	}
	return append(problems, c.OAuth.wrongValues()...)
}

// missing returns an error for each option that is needed and not set.
func (c *SASL) missing() (problems []error) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch c.Mechanism {
	case "":
		problem("SASL.Mechanism is empty: it is %s", mechanisms)
	case sarama.SASLTypePlaintext, sarama.SASLTypeSCRAMSHA256, sarama.SASLTypeSCRAMSHA512:
		if c.Username == "" || c.Password.IsZero() {
			problem("SASL.Mechanism %s needs SASL.Username and SASL.Password", c.Mechanism)
		}
	case sarama.SASLTypeOAuth:
		if c.Token == nil {
			problems = append(problems, c.OAuth.missing()...)
		}
	case sarama.SASLTypeGSSAPI:
		name, realm, _ := strings.Cut(c.Kerberos.Principal, "@")
		if name == "" || realm == "" || c.Kerberos.Keytab == "" {
			problem("SASL.Mechanism GSSAPI needs SASL.Kerberos.Keytab, and a Principal of the form name@REALM")
		}
	}
	return problems
}

// apply configures the client. There are no problems, and there is a source of tokens where one is needed.
func (c *SASL) apply(s *sarama.Config) {
	sasl := &s.Net.SASL
	sasl.Enable, sasl.Handshake, sasl.Version = true, true, sarama.SASLHandshakeV1
	sasl.Mechanism = sarama.SASLMechanism(c.Mechanism)
	sasl.User, sasl.Password = c.Username, c.Password.Reveal()
	switch c.Mechanism {
	case sarama.SASLTypeSCRAMSHA256:
		sasl.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: scram.SHA256} }
	case sarama.SASLTypeSCRAMSHA512:
		sasl.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: scram.SHA512} }
	case sarama.SASLTypeOAuth:
		sasl.TokenProvider = tokenProvider(c.Token)
	case sarama.SASLTypeGSSAPI:
		name, realm, _ := strings.Cut(c.Kerberos.Principal, "@")
		sasl.GSSAPI = sarama.GSSAPIConfig{
			AuthType: sarama.KRB5_KEYTAB_AUTH, KeyTabPath: c.Kerberos.Keytab, Username: name, Realm: realm,
			ServiceName:        cmp.Or(c.Kerberos.ServiceName, "kafka"),
			KerberosConfigPath: cmp.Or(os.Getenv("KRB5_CONFIG"), "/etc/krb5.conf"),
		}
	}
}

// scramClient is one exchange (RFC 5802).
type scramClient struct {
	hash         scram.HashGeneratorFcn
	conversation *scram.ClientConversation
}

// Begin implements [sarama.SCRAMClient].
func (c *scramClient) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err != nil {
		return err
	}
	c.conversation = client.NewConversation()
	return nil
}

// Step implements [sarama.SCRAMClient].
func (c *scramClient) Step(challenge string) (string, error) { return c.conversation.Step(challenge) }

// Done implements [sarama.SCRAMClient].
func (c *scramClient) Done() bool { return c.conversation.Done() }

// tokenProvider gives the client tokens.
type tokenProvider TokenSource

// Token implements [sarama.AccessTokenProvider].
func (p tokenProvider) Token() (*sarama.AccessToken, error) {
	token, err := p(context.Background())
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if token.Value.IsZero() {
		return nil, errors.New("token: SASL.Token has returned none")
	}
	return &sarama.AccessToken{Token: token.Value.Reveal(), Extensions: token.Extensions}, nil
}

// parsePairs reads "name=value" pairs, separated by any of the separators.
func parsePairs(list, separators string) (map[string]string, error) {
	pairs := map[string]string{}
	for i, pair := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("part %d is not name=value", i+1)
		}
		pairs[name] = value
	}
	return pairs, nil
}
