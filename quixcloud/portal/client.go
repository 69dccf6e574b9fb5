package portal

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/secret"
)

// Client calls the portal. Several goroutines may use it at once.
type Client struct {
	base    string // the address without a slash at its end
	token   secret.String
	http    *http.Client
	timeout time.Duration
	log     *slog.Logger
}

// New returns a client. It sends nothing. The error is a weir.ErrConfiguration that names all mistakes.
func New(config Config) (*Client, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	client := *config.HTTPClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		base: strings.TrimRight(config.URL, "/"), token: config.Token, http: &client, timeout: config.RequestTimeout, log: config.Logger,
	}, nil
}

const (
	// maxRetries is how often a request is sent again.
	maxRetries = 5
	// maxRetryAfter is the longest wait that the portal may ask for.
	maxRetryAfter = time.Minute
	// maxAnswer is the largest answer that is read, in bytes.
	maxAnswer = 64 << 20
)

// waits are those between tries.
var waits = backoff.Policy{Base: 2 * time.Second, Max: 32 * time.Second}

// get asks for a resource, and decodes it.
func (c *Client) get(ctx context.Context, result any, path ...string) error {
	data, err := c.send(ctx, http.MethodGet, nil, path...)
	if err != nil {
		return err
	}
	return c.decode(data, result, path...)
}

// decode reads an answer in JSON. Members that are not known are passed over.
func (c *Client) decode(data []byte, result any, path ...string) error {
	if err := json.Unmarshal(data, result); err != nil {
		return c.misunderstood(err, path...)
	}
	return nil
}

// misunderstood returns an error about an answer with a good status.
func (c *Client) misunderstood(err error, path ...string) error {
	return fmt.Errorf("%s: %w: %s", c.address(path), ErrAnswer, c.hide(err.Error()))
}

// address joins the base and escaped segments of a path.
func (c *Client) address(path []string) string {
	var b strings.Builder
	b.WriteString(c.base)
	for _, segment := range path {
		b.WriteString("/" + url.PathEscape(segment))
	}
	return b.String()
}

// hide takes the token out of a text: a server may repeat it.
func (c *Client) hide(text string) string {
	return strings.ReplaceAll(text, c.token.Reveal(), secret.Mask)
}

// send sends a request until it is answered or another try is of no use. It returns the body of an answer with a good status.
func (c *Client) send(ctx context.Context, method string, body []byte, path ...string) ([]byte, error) {
	address := c.address(path)
	for failures := 1; ; failures++ {
		data, after, err := c.try(ctx, method, address, body)
		if err == nil {
			return data, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %w", method, address, context.Cause(ctx))
		}
		if failures > maxRetries || !passes(method, err) {
			return nil, err
		}
		wait := max(waits.Wait(failures), min(after, maxRetryAfter))
		c.log.Warn("the portal has not answered as it should: trying again", "after", wait, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, fmt.Errorf("%s %s: %w", method, address, context.Cause(ctx))
		}
	}
}

// passes reports whether another try may be answered better, and does no harm.
func passes(method string, err error) bool {
	if failed, ok := errors.AsType[*Error](err); ok && failed.Status == http.StatusTooManyRequests {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	return method == http.MethodGet && errors.Is(err, ErrUnavailable)
}

// try sends a request once. after is how long the portal wants the client to wait before the next.
func (c *Client) try(ctx context.Context, method, address string, body []byte) (data []byte, after time.Duration, err error) {
	unavailable := func(err error) error {
		return fmt.Errorf("%s %s: %w: %w", method, address, ErrUnavailable, secret.WithoutURL(err))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no answer within %v", c.timeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w", method, address, secret.WithoutURL(err))
	}
	request.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	request.Header.Set("X-Version", "2.0")
	request.Header.Set("User-Agent", "weir")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, 0, unavailable(err)
	}
	defer response.Body.Close()
	data, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case response.StatusCode < 200 || response.StatusCode > 299:
		seconds, _ := strconv.ParseInt(response.Header.Get("Retry-After"), 10, 32)
		return nil, time.Duration(seconds) * time.Second, newError(method+" "+address, response, data, c.hide)
	case err != nil && ctx.Err() != nil:
		return nil, 0, unavailable(context.Cause(ctx))
	case err != nil:
		return nil, 0, unavailable(fmt.Errorf("the answer is cut off: %w", err))
	case len(data) > maxAnswer:
		return nil, 0, fmt.Errorf("%s %s: %w: more than %d bytes", method, address, ErrAnswer, maxAnswer)
	}
	return data, 0, nil
}
