package query

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// ClientOptions are those of a [Client].
type ClientOptions struct {
	// Endpoints are addresses of services of members, such as "http://10.0.0.7:8080/query". The first one that can be reached answers, and asks
	// the others itself.
	Endpoints []string
	// Sign adds to each request what ServiceOptions.Authorize asks for. nil adds nothing.
	Sign func(*http.Request) error
	// HTTP sends the requests. The default is one of this package, which follows no redirects.
	HTTP *http.Client
}

// Client asks the services of a group from another program. It may be used by any number of goroutines.
type Client struct {
	endpoints []string
	remote    remote
}

// NewClient returns a client. It asks nobody yet. The error is a weir.ErrConfiguration.
func NewClient(o ClientOptions) (*Client, error) {
	if len(o.Endpoints) == 0 {
		return nil, fmt.Errorf("%w: query client: Endpoints is empty", weir.ErrConfiguration)
	}
	return &Client{slices.Clone(o.Endpoints), newRemote(o.HTTP, o.Sign)}, nil
}

// read asks one endpoint after the other until one answers.
func (c *Client) read(ctx context.Context, q request) (r response, err error) {
	for _, endpoint := range c.endpoints {
		if r, err = c.remote.rows(ctx, endpoint, q, false); !errors.Is(err, weir.ErrUnavailable) || ctx.Err() != nil {
			return r, err
		}
	}
	return r, err
}

// remote sends requests to services.
type remote struct {
	client *http.Client
	sign   func(*http.Request) error
}

func newRemote(client *http.Client, sign func(*http.Request) error) remote {
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return remote{client, sign}
}

// answerBytes is the greatest answer that is read.
const answerBytes = 256 << 20

// rows asks a service for encoded rows. forwarded says that the service must not send the request on.
func (r remote) rows(ctx context.Context, endpoint string, q request, forwarded bool) (answer response, err error) {
	address := strings.TrimSuffix(endpoint, "/") + "/rows?" + encodeRequest(q).Encode()
	httpRequest, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer, fmt.Errorf("%w: query: %w", weir.ErrConfiguration, err)
	}
	if forwarded {
		httpRequest.Header.Set(forwardedHeader, "1")
	}
	if r.sign != nil {
		if err := r.sign(httpRequest); err != nil {
			return answer, fmt.Errorf("query: sign the request to %s: %w", endpoint, err)
		}
	}
	httpResponse, err := r.client.Do(httpRequest)
	if err != nil {
		if ctx.Err() != nil {
			return answer, fmt.Errorf("query: ask %s: %w", endpoint, err)
		}
		return answer, fmt.Errorf("query: %w: ask %s: %w", errNoService, endpoint, err)
	}
	defer httpResponse.Body.Close()
	body, err := readAll(httpResponse.Body, answerBytes)
	if err != nil {
		return answer, fmt.Errorf("query: %w: answer of %s: %w", errNoService, endpoint, err)
	}
	if httpResponse.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("query: %s answers: %w", endpoint, refusal(httpResponse.Status, body))
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("query: answer of %s: %w", endpoint, err)
	}
	return answer, nil
}

// errNoService is a weir.ErrUnavailable.
var errNoService = noService{}

type noService struct{}

func (noService) Error() string        { return "the member cannot be reached" }
func (noService) Is(target error) bool { return target == weir.ErrUnavailable }

// refusal returns the error that an answer names.
func refusal(status string, body []byte) error {
	var f failure
	if json.Unmarshal(body, &f) != nil || f.Code == "" {
		return errors.New(status)
	}
	for _, c := range codes {
		if c.code == f.Code {
			return &answered{f.Text, c.err}
		}
	}
	return errors.New(f.Text)
}

// answered is the error of a service, with its cause for errors.Is.
type answered struct {
	text  string
	cause error
}

func (e *answered) Error() string        { return e.text }
func (e *answered) Is(target error) bool { return target == e.cause }

// Requests for encoded rows: store, partition or key, from, to, limit, and at for each position: "topic:partition:offset". Bytes are in
// base64 of URLs.

var encoding = base64.RawURLEncoding

func encodeRequest(q request) url.Values {
	values := url.Values{"store": {q.store}, "from": {encoding.EncodeToString(q.rows.From)}, "to": {encoding.EncodeToString(q.rows.To)}}
	values.Set("limit", strconv.Itoa(q.rows.Most))
	if q.partition >= 0 {
		values.Set("partition", strconv.Itoa(int(q.partition)))
	} else {
		values.Set("key", encoding.EncodeToString(q.key))
	}
	for _, topic := range slices.Sorted(maps.Keys(q.atLeast)) {
		for _, partition := range slices.Sorted(maps.Keys(q.atLeast[topic])) {
			values.Add("at", fmt.Sprintf("%s:%d:%d", topic, partition, q.atLeast[topic][partition]))
		}
	}
	return values
}

func decodeRequest(store string, values url.Values) (q request, err error) {
	q = request{store: store, partition: -1}
	if q.rows.Most, err = strconv.Atoi(values.Get("limit")); err != nil || q.rows.Most < 1 || q.rows.Most > maxLimit {
		return q, fmt.Errorf("%w: limit must be from 1 to %d", weir.ErrConfiguration, maxLimit)
	}
	for _, part := range []struct {
		name string
		to   *[]byte
	}{{"from", &q.rows.From}, {"to", &q.rows.To}, {"key", &q.key}} {
		if *part.to, err = encoding.DecodeString(values.Get(part.name)); err != nil {
			return q, fmt.Errorf("%w: %s is not base64 of URLs", weir.ErrConfiguration, part.name)
		}
	}
	if !state.Readable(q.rows) {
		return q, fmt.Errorf("%w: from and to are no range of rows", weir.ErrConfiguration)
	}
	if values.Has("partition") {
		if q.partition, err = decodePartition(values.Get("partition")); err != nil {
			return q, err
		}
	} else if !values.Has("key") {
		return q, fmt.Errorf("%w: the request has neither a partition nor a key", weir.ErrConfiguration)
	}
	q.atLeast, err = decodePosition(values["at"])
	return q, err
}

func decodePartition(text string) (int32, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: partition %q is not a number from 0 on", weir.ErrConfiguration, text)
	}
	return int32(n), nil
}

// decodePosition reads texts like "topic:partition:offset".
func decodePosition(texts []string) (Position, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	p := Position{}
	for _, text := range texts {
		parts := strings.Split(text, ":")
		if len(parts) != 3 || parts[0] == "" {
			return nil, fmt.Errorf("%w: at %q is not like topic:partition:offset", weir.ErrConfiguration, text)
		}
		partition, err := decodePartition(parts[1])
		offset, offsetErr := strconv.ParseInt(parts[2], 10, 64)
		if err != nil || offsetErr != nil || offset < 1 {
			return nil, fmt.Errorf("%w: at %q is not like topic:partition:offset", weir.ErrConfiguration, text)
		}
		p.Written(parts[0], partition, offset-1)
	}
	return p, nil
}
