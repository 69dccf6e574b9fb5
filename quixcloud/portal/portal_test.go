package portal_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/portaltest"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/secret"
)

const address = "https://portal.test"

// client returns a client of a portal, with the right token.
func client(t *testing.T, p *portaltest.Portal) *portal.Client {
	t.Helper()
	return clientWith(t, p, portaltest.Token)
}

func clientWith(t *testing.T, p *portaltest.Portal, token string) *portal.Client {
	t.Helper()
	c, err := portal.New(portal.Config{
		URL: address + "/", Token: secret.New(token), HTTPClient: p.Client(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func workspaces() []*portaltest.Workspace {
	return []*portaltest.Workspace{
		{ID: "acme-dev", Name: "Development", Topics: []portaltest.Topic{
			{ID: "acme-dev-orders", Name: "orders", Status: "Ready", Partitions: 2, Replication: 3, Minutes: 10080, Bytes: 52428800, Policy: "Delete"},
		}},
		{ID: "acme-prod", Name: "Production", Topics: []portaltest.Topic{{ID: "acme-prod-totals", Name: "totals", Status: "Ready", Policy: "Compact", Minutes: -1, Bytes: -1}}},
	}
}

func TestAConfigurationWithoutTokenOrAddressIsWrong(t *testing.T) {
	for _, name := range []string{portal.TokenVariable, portal.URLVariable} {
		t.Setenv(name, "")
	}
	for _, c := range []struct {
		config portal.Config
		want   []string
	}{
		{portal.Config{}, []string{"there is no token", "Quix__Sdk__Token", "there is no address", "Quix__Portal__Api"}},
		{portal.Config{Token: secret.New("s3cret\n"), URL: "https://portal"}, []string{"the token holds a space, a line break"}},
		{portal.Config{Token: secret.New("t"), URL: "portal"}, []string{`URL (malformed URL): want https://host`}},
		{portal.Config{Token: secret.New("t"), URL: "https://u:s3cret@portal"}, []string{"has a user"}},
		{portal.Config{Token: secret.New("t"), URL: "https://portal/%zz"}, []string{"URL: invalid URL escape"}},
		{portal.Config{Token: secret.New("t"), URL: "https://portal", RequestTimeout: -1}, []string{"RequestTimeout is negative"}},
	} {
		_, err := portal.New(c.config)
		if !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%+v: got %v", c.config, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	}
	t.Setenv(portal.TokenVariable, portaltest.Token)
	t.Setenv(portal.URLVariable, address)
	p := portaltest.New(workspaces()...)
	c, err := portal.New(portal.Config{HTTPClient: p.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if details, err := c.TokenDetails(t.Context()); err != nil || details["kind"] != "sdk" {
		t.Errorf("got %v, %v", details, err)
	}
}

func TestWorkspacesAreFoundByIDByNameAndByTopic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, workspace, topic string
		workspaces             int
		denied                 bool
		want                   string // id, or a part of the error
	}{
		{name: "id", workspace: "acme-prod", workspaces: 2, want: "acme-prod"},
		{name: "id of a token for one workspace", workspace: "acme-prod", workspaces: 2, denied: true, want: "acme-prod"},
		{name: "name", workspace: "Development", workspaces: 2, want: "acme-dev"},
		{name: "wrong", workspace: "acme", workspaces: 2, want: `"acme" is neither the id nor the name of one that the token is good for ("acme-dev" (Development), "acme-prod" (Production))`},
		{name: "wrong, of a token for one workspace", workspace: "acme", workspaces: 2, denied: true, want: "status 404 Not Found: No workspace acme (correlation id c0rrelation)"},
		{name: "the only one", workspaces: 1, want: "acme-dev"},
		{name: "topic", topic: "totals", workspaces: 2, want: "acme-prod"},
		{name: "id of a topic", topic: "acme-prod-totals", workspaces: 2, want: "acme-prod"},
		{name: "unknown topic", topic: "nothing", workspaces: 2, want: `topic "nothing" is in none of`},
		{name: "several", workspaces: 2, want: "set the workspace or the environment variable Quix__Workspace__Id"},
		{name: "none", want: "the token is good for none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := workspaces()
			all[1].Old = true
			p := portaltest.New(all[:c.workspaces]...)
			p.Denied = c.denied
			w, err := client(t, p).FindWorkspace(t.Context(), c.workspace, c.topic)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) || !errors.Is(err, portal.ErrWorkspace) && !errors.Is(err, portal.ErrNotFound) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			brokerType := "SharedKafka"
			if w.ID == "acme-prod" {
				brokerType = "Quix"
			}
			if w.ID != c.want || w.BrokerType != brokerType || w.SyncTopics == (w.ID == "acme-prod") {
				t.Errorf("got %+v, want %s", w, c.want)
			}
		})
	}
}

// Each failure of the table, with the number of requests and the time that they take.
func TestFailuresOfThePortal(t *testing.T) {
	t.Parallel()
	body := `{"message":"No ` + portaltest.Token + `","correlationId":"c1"}`
	all := func(waits ...int) (sum time.Duration) {
		for _, seconds := range waits {
			sum += time.Duration(seconds) * time.Second
		}
		return sum
	}
	retries := all(2, 4, 8, 16, 32)
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		times  int // -1: always
		// get and post are what requests that ask, and those that make a topic, give: an error of errors.Is, nil for success.
		get, post        error
		took, postTook   time.Duration
		tries, postTries int
		text             string
	}{
		{"401", portaltest.Answer(401, body), -1, weir.ErrUnauthorized, weir.ErrUnauthorized, 0, 0, 1, 1, "status 401 Unauthorized: No ****** (correlation id c1): the token is wrong or has expired"},
		{"403", portaltest.Answer(403, `{"title":"Forbidden"}`), -1, weir.ErrUnauthorized, weir.ErrUnauthorized, 0, 0, 1, 1, "status 403 Forbidden: Forbidden: the token lacks the right"},
		{"404", portaltest.Answer(404, ""), -1, portal.ErrNotFound, portal.ErrNotFound, 0, 0, 1, 1, "status 404 Not Found"},
		{"409", portaltest.Answer(409, "conflict\n here"), -1, portal.ErrExists, portal.ErrExists, 0, 0, 1, 1, "status 409 Conflict: conflict here"},
		{"400, similar", portaltest.Answer(400, `"Topic with similar name already exists"`), -1, portal.ErrExists, portal.ErrExists, 0, 0, 1, 1, "similar name"},
		{"429, then good", throttled("3"), 2, nil, nil, all(3, 4), all(3, 4), 3, 3, ""},
		{"429 for a long time", throttled("3600"), 1, nil, nil, all(60), all(60), 2, 2, ""},
		{"429 always", throttled(""), -1, portal.ErrUnavailable, portal.ErrUnavailable, retries, retries, 6, 6, "status 429 Too Many Requests: slow down"},
		{"500, then good", portaltest.Answer(500, body), 1, nil, portal.ErrUnavailable, all(2), 0, 2, 1, ""},
		{"503", portaltest.Answer(503, "<html>"), -1, portal.ErrUnavailable, portal.ErrUnavailable, retries, 0, 6, 1, "status 503 Service Unavailable: <html>"},
		{"no connection", portaltest.HangUp, -1, portal.ErrUnavailable, portal.ErrUnavailable, retries, 0, 6, 1, "connection reset by peer"},
		{"no connection at first", portaltest.HangUp, 5, nil, portal.ErrUnavailable, retries, 0, 6, 1, ""},
		{"silent", portaltest.Silent, -1, portal.ErrUnavailable, portal.ErrUnavailable, retries + 6*30*time.Second, 30 * time.Second, 6, 1, "no answer within 30s"},
		{"cut off", portaltest.CutOff, -1, portal.ErrUnavailable, portal.ErrUnavailable, retries, 0, 6, 1, "the answer is cut off"},
		{"truncated JSON", portaltest.Answer(200, `{"workspaceId":"`+portaltest.Token), -1, portal.ErrAnswer, portal.ErrAnswer, 0, 0, 1, 1, "unexpected end of JSON input"},
		{"another type", portaltest.Answer(200, `[{"workspaceId":1}]`), -1, portal.ErrAnswer, portal.ErrAnswer, 0, 0, 1, 1, "cannot unmarshal"},
		{"no members", portaltest.Answer(200, `{}`), -1, portal.ErrAnswer, portal.ErrAnswer, 0, 0, 1, 1, "without"},
		{"redirect", redirect, -1, &portal.Error{}, &portal.Error{}, 0, 0, 1, 1, "a redirect, which is not followed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check := func(request string, want error, took time.Duration, tries int, call func(context.Context, *portal.Client) error) {
				synctest.Test(t, func(t *testing.T) {
					p := portaltest.New(workspaces()...)
					p.Fail(request, c.times, c.answer)
					began := time.Now()
					err := call(t.Context(), client(t, p))
					if time.Since(began) != took || len(p.Requests()) != tries {
						t.Errorf("%s: %d requests took %v, want %d and %v", request, len(p.Requests()), time.Since(began), tries, took)
					}
					if want == nil {
						if err != nil {
							t.Errorf("%s: %v", request, err)
						}
						return
					}
					if _, status := errors.AsType[*portal.Error](err); !errors.Is(err, want) && !(status && strings.Contains(want.Error(), "status 0")) {
						t.Fatalf("%s: got %v, want %v", request, err, want)
					}
					if !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), address) {
						t.Errorf("%s: got %v, want %q and the address", request, err, c.text)
					}
					secrettest.Hidden(t, err, portaltest.Token)
				})
			}
			check("GET /workspaces/acme-dev", c.get, c.took, c.tries, func(ctx context.Context, client *portal.Client) error {
				w, err := client.Workspace(ctx, "acme-dev")
				if err == nil && w.ID != "acme-dev" {
					t.Errorf("got %+v", w)
				}
				return err
			})
			check("POST /acme-dev/topics", c.post, c.postTook, c.postTries, func(ctx context.Context, client *portal.Client) error {
				_, err := client.CreateTopic(ctx, "acme-dev", portal.NewTopic{Name: "new"})
				return err
			})
		})
	}
}

func throttled(after string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", after)
		portaltest.Answer(http.StatusTooManyRequests, "slow down")(w, r)
	}
}

func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "https://elsewhere.test/", http.StatusFound)
}

// The requests that are cut off or refused, once more over a network.
func TestAPortalOverHTTP(t *testing.T) {
	t.Parallel()
	p := portaltest.New(workspaces()...)
	server := httptest.NewServer(p)
	defer server.Close()
	for token, want := range map[string]error{portaltest.Token: nil, "wrong-token": weir.ErrUnauthorized} {
		c, err := portal.New(portal.Config{URL: server.URL, Token: secret.New(token), HTTPClient: server.Client()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Workspaces(t.Context())
		if !errors.Is(err, want) || err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestClientsShowNoToken(t *testing.T) {
	t.Parallel()
	p := portaltest.New()
	secrettest.Hidden(t, client(t, p), portaltest.Token)
	secrettest.Hidden(t, portal.Config{Token: secret.New(portaltest.Token)}, portaltest.Token)
}

func TestConnectionsHaveLoginAndCertificate(t *testing.T) {
	t.Parallel()
	der := certificate(t)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	settings := func(more ...string) map[string]any {
		all := map[string]any{
			"bootstrap.servers": "address1:9093,address2:9093", "sasl.mechanism": "PLAIN", "security.protocol": "sasl_ssl",
			"sasl.username": "u", "sasl.password": "p4ssword", "enable.ssl.certificate.verification": true, "unknown.option": 1, "client.id": nil,
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	encode := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		name        string
		settings    map[string]any
		certificate []byte
		want, err   string
	}{
		{"in the settings", settings("ssl.ca.cert", encode([]byte(text))), nil, text, ""},
		{"in the settings, as DER", settings("ssl.ca.cert", encode(der)), nil, text, ""},
		{"in an archive", settings(), portaltest.Archive("ca.cert", []byte(text)), text, ""},
		{"in an archive, as DER", settings(), portaltest.Archive("ca.cert", der), text, ""},
		{"an archive without it", settings(), portaltest.Archive("readme", nil), "", ""},
		{"nowhere", settings(), nil, "", ""},
		{"not asked for", settings("security.protocol", "sasl_plaintext"), []byte("unused"), "", ""},
		{"no archive", settings(), []byte("PK-no"), "", "zip: not a valid zip file"},
		{"no certificate", settings(), portaltest.Archive("ca.cert", []byte("x")), "", "ca.cert: neither PEM nor a certificate in DER"},
		{"not in base64", settings("ssl.ca.cert", "%"), nil, "", "ssl.ca.cert: illegal base64"},
		{"a wrong value", settings("sasl.mechanism", "MAGIC"), nil, "", "SASL.Mechanism"},
		{"no address", map[string]any{}, nil, "", "there is no bootstrap.servers"},
		{"a list", map[string]any{"bootstrap.servers": []string{"a:1"}}, nil, "", "bootstrap.servers is neither text nor a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &portaltest.Workspace{ID: "w", Connection: c.settings, Certificate: c.certificate}
			got, err := client(t, portaltest.New(w)).Connection(t.Context(), "w")
			if c.err != "" {
				if !errors.Is(err, portal.ErrAnswer) || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "p4ssword") {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"address1:9093", "address2:9093"}, got.Brokers); diff != "" {
				t.Error(diff)
			}
			if got.SASL.Username != "u" || got.SASL.Password.Reveal() != "p4ssword" || got.TLS.CAPEM.Reveal() != c.want {
				t.Errorf("got %q, %q", got.SASL.Username, got.TLS.CAPEM.Reveal())
			}
		})
	}
}

func certificate(t *testing.T) []byte {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return server.Certificate().Raw
}

func TestSettingsOfTopicsAreConvertedBothWays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config map[string]string
		body   string
		back   map[string]string
		err    string
	}{
		{nil, `"retentionInMinutes":null,"retentionInBytes":null,"cleanupPolicy":null`, map[string]string{"retention.ms": "604800000", "retention.bytes": "52428800", "cleanup.policy": "delete"}, ""},
		{map[string]string{"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "compact"}, `"retentionInMinutes":-1,"retentionInBytes":-1,"cleanupPolicy":"compact"`, map[string]string{"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "compact"}, ""},
		{map[string]string{"retention.ms": "90000", "retention.bytes": "7", "cleanup.policy": "delete"}, `"retentionInMinutes":1,"retentionInBytes":7,"cleanupPolicy":"delete"`, map[string]string{"retention.ms": "60000", "retention.bytes": "7", "cleanup.policy": "delete"}, ""},
		{map[string]string{"cleanup.policy": "compact,delete"}, `"retentionInMinutes":null,"retentionInBytes":null,"cleanupPolicy":"DeleteAndCompact"`, map[string]string{"retention.ms": "604800000", "retention.bytes": "52428800", "cleanup.policy": "delete,compact"}, ""},
		{map[string]string{"retention.ms": "59999"}, "", nil, "retention.ms=59999: the platform counts whole minutes"},
		{map[string]string{"retention.ms": "-2"}, "", nil, "retention.ms=-2: want a number"},
		{map[string]string{"retention.bytes": "x"}, "", nil, "retention.bytes=x: want a number"},
		{map[string]string{"cleanup.policy": "keep"}, "", nil, "cleanup.policy=keep: want delete, compact or both"},
		{map[string]string{"segment.bytes": "1"}, "", nil, "segment.bytes: the portal does not take this setting"},
	} {
		t.Run(fmt.Sprint(c.config), func(t *testing.T) {
			t.Parallel()
			p := portaltest.New(workspaces()...)
			var body string
			http := p.Client()
			http.Transport = recording{http.Transport, &body}
			client, err := portal.New(portal.Config{URL: address, Token: secret.New(portaltest.Token), HTTPClient: http})
			if err != nil {
				t.Fatal(err)
			}
			made, err := client.CreateTopic(t.Context(), "acme-dev", portal.NewTopic{Name: "new", Config: c.config})
			if c.err != "" {
				if !errors.Is(err, portal.ErrTopic) || !strings.Contains(err.Error(), c.err) || len(p.Requests()) > 0 {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := `{"name":"new","configuration":{"partitions":null,"replicationFactor":null,` + c.body + `}}`; body != want {
				t.Errorf("sent %s, want %s", body, want)
			}
			if diff := cmp.Diff(portal.Topic{ID: "acme-dev-new", Name: "new", Status: "Creating", Partitions: 1, Replication: 1, Config: c.back}, made); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// recording notes the body of the last request.
type recording struct {
	http.RoundTripper
	body *string
}

func (r recording) RoundTrip(request *http.Request) (*http.Response, error) {
	var raw json.RawMessage
	copied := request.Clone(request.Context())
	if reader, err := request.GetBody(); err == nil {
		if err := json.NewDecoder(reader).Decode(&raw); err == nil {
			*r.body = string(raw)
		}
	}
	return r.RoundTripper.RoundTrip(copied)
}

func TestTopicsAreReadBack(t *testing.T) {
	t.Parallel()
	p := portaltest.New(workspaces()...)
	c := client(t, p)
	got, err := c.Topic(t.Context(), "acme-dev", "orders")
	want := portal.Topic{
		ID: "acme-dev-orders", Name: "orders", Status: "Ready", Partitions: 2, Replication: 3,
		Config: map[string]string{"retention.ms": "604800000", "retention.bytes": "52428800", "cleanup.policy": "delete"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for body, text := range map[string]string{
		`{"id":"a","name":"n","configuration":{"cleanupPolicy":"Sometimes"}}`: `cleanupPolicy "Sometimes" is unknown`,
		`{"name":"n"}`: "without id or name", `null`: "without id or name", `[]`: "cannot unmarshal",
	} {
		p.Fail("GET /acme-dev/topics/orders", 1, portaltest.Answer(200, body))
		if _, err := c.Topic(t.Context(), "acme-dev", "orders"); !errors.Is(err, portal.ErrAnswer) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v", body, err)
		}
	}
	p.Fail("GET /acme-dev/topics/orders", 1, portaltest.Answer(200, `{"id":"a","name":"n","configuration":{"retentionInMinutes":153722867280913,"retentionInBytes":-60000}}`))
	if got, err := c.Topic(t.Context(), "acme-dev", "orders"); err != nil || got.Config["retention.ms"] != "9223372036854775807" || got.Config["retention.bytes"] != "-1" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestATopicWithAnUnknownPolicyKeepsNoOthersFromUse(t *testing.T) {
	t.Parallel()
	all := workspaces()
	all[0].Topics = append(all[0].Topics, portaltest.Topic{ID: "acme-dev-new", Name: "new", Status: "Ready", Policy: "Sometimes"})
	c := client(t, portaltest.New(all...))
	topics, err := c.Topics(t.Context(), "acme-dev")
	if err != nil || len(topics) != 2 || topics[1].Config["cleanup.policy"] != "Sometimes" {
		t.Errorf("got %v, %v", topics, err)
	}
	if _, err := c.Topic(t.Context(), "acme-dev", "new"); !errors.Is(err, portal.ErrAnswer) {
		t.Errorf("got %v", err)
	}
}

func TestMadeTopicsAreComparedWithTheRequest(t *testing.T) {
	t.Parallel()
	p := portaltest.New(workspaces()...)
	c := client(t, p)
	ask := portal.NewTopic{Name: "new", Partitions: 4, Replication: 2, Config: map[string]string{"cleanup.policy": "compact"}}
	for body, text := range map[string]string{
		`{"id":"a","name":"new","configuration":{"partitions":1}}`:                          "was made with 1 partitions, and 4 were asked for",
		`{"id":"a","name":"new","configuration":{"partitions":4,"cleanupPolicy":"Delete"}}`: "was made with cleanup.policy=delete, and compact was asked for",
	} {
		p.Fail("POST /acme-dev/topics", 1, portaltest.Answer(200, body))
		if _, err := c.CreateTopic(t.Context(), "acme-dev", ask); !errors.Is(err, portal.ErrTopic) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v", body, err)
		}
	}
	for name, text := range map[string]string{"": "the name is empty", strings.Repeat("x", 250): "the platform allows 249"} {
		if _, err := c.CreateTopic(t.Context(), "acme-dev", portal.NewTopic{Name: name}); !errors.Is(err, portal.ErrTopic) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestTopicsAreAwaited(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		pending int
		broken  string
		took    time.Duration
		err     string
	}{
		{"at once", 0, "", 0, ""},
		{"after some time", 4, "", 4 * time.Second, ""},
		{"never", -1, "", time.Minute, `not ready within 1m0s: "new" (Creating)`},
		{"error", 0, "no space for " + portaltest.Token, 0, `"new" is in the state of an error: no space for ******`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				all := workspaces()
				all[0].Pending, all[0].Broken = c.pending, c.broken
				client := client(t, portaltest.New(all...))
				if _, err := client.CreateTopic(t.Context(), "acme-dev", portal.NewTopic{Name: "new"}); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				ready, err := client.AwaitReady(t.Context(), "acme-dev", time.Minute, "orders", "new", "unknown")
				if took := time.Since(began); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if c.err != "" {
					if !errors.Is(err, portal.ErrTopic) || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), portaltest.Token) {
						t.Errorf("got %v, want %q", err, c.err)
					}
					return
				}
				if err != nil || len(ready) != 2 || ready["new"].ID != "acme-dev-new" {
					t.Errorf("got %v, %v", ready, err)
				}
			})
		})
	}
}

// No answer makes a client panic, and no error shows the token.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{
		`{"workspaceId":"w","brokerSettings":null}`, `[{"id":"a","name":"orders","status":"Ready","configuration":{"partitions":1,"retentionInMinutes":-1,"cleanupPolicy":"Delete"}}]`,
		`{"bootstrap.servers":"a:1","security.protocol":"ssl","ssl.ca.cert":"AA=="}`, `{"message":"x","correlationId":"y"}`, `null`, `[null]`, portaltest.Token,
		string(portaltest.Archive("ca.cert", []byte("x"))),
	} {
		f.Add([]byte(text), 200)
		f.Add([]byte(text), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		if status < 200 || status > 499 || status == http.StatusTooManyRequests {
			status = 200
		}
		client, err := portal.New(portal.Config{URL: address, Token: secret.New(portaltest.Token), Logger: slog.New(slog.DiscardHandler), HTTPClient: &http.Client{
			Transport: always{status, body},
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		_, find := client.FindWorkspace(ctx, "", "orders")
		_, named := client.FindWorkspace(ctx, "w", "")
		_, topic := client.Topic(ctx, "w", "orders")
		_, made := client.CreateTopic(ctx, "w", portal.NewTopic{Name: "orders", Partitions: 1, Config: map[string]string{"cleanup.policy": "delete"}})
		_, ready := client.AwaitReady(ctx, "w", 0, "orders")
		_, connection := client.Connection(ctx, "w")
		_, certificate := client.Certificate(ctx, "w")
		_, details := client.TokenDetails(ctx)
		for _, err := range []error{find, named, topic, made, ready, connection, certificate, details} {
			if err != nil && strings.Contains(err.Error(), portaltest.Token) {
				t.Errorf("the token is in %v", err)
			}
		}
	})
}

// always answers each request alike.
type always struct {
	status int
	body   []byte
}

func (a always) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	recorder.WriteHeader(a.status)
	_, _ = recorder.Write(a.body)
	response := recorder.Result()
	response.Request = r
	return response, nil
}
