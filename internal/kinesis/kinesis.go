// Package kinesis reaches data streams of Amazon Kinesis, for the sink and the source.
package kinesis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/logging"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/secret"
)

// Stream names a data stream and says how to reach it. Name is needed. Region, credentials and all that is not set here come from the environment and the
// shared files of AWS (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_KINESIS, ~/.aws, the role of the machine, and so on).
type Stream struct {
	// Name is that of the stream, which has to exist, or its ARN: "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks".
	Name string
	// Region is that of the stream.
	Region string
	// Endpoint is the address of a service other than AWS: "http://127.0.0.1:4567".
	Endpoint string
	// AccessKey, SecretKey and SessionToken are credentials.
	AccessKey    string
	SecretKey    secret.String
	SessionToken secret.String
	// Timeout bounds each call. 0 means 30 s.
	Timeout time.Duration
}

const defaultTimeout = 30 * time.Second

// String names the stream and, if it is not AWS, the address of the service.
func (s Stream) String() string {
	if s.Endpoint == "" {
		return "Kinesis stream " + s.Name
	}
	return "Kinesis stream " + s.Name + " at " + s.Endpoint
}

// check returns everything that is wrong.
func (s *Stream) check() error {
	var wrong []error
	if s.Name == "" {
		wrong = append(wrong, errors.New("the name of the stream is missing"))
	}
	if (s.AccessKey == "") != s.SecretKey.IsZero() {
		wrong = append(wrong, errors.New("AccessKey and SecretKey belong together: one of them is missing"))
	}
	if err := connector.Negative(s); err != nil {
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// Client makes calls for one stream. Its methods may be called by several goroutines at once.
type Client struct {
	// API has all calls. Those that name a stream get it from Names. They have no retries and no deadline of their own: Call sets one.
	API *kinesis.Client

	stream    Stream
	transport *http.Transport
}

// Open checks the settings and returns a client. It makes no call of Kinesis.
func (s Stream) Open(ctx context.Context) (*Client, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	options := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}),                                   // which would write to the standard error
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }), // sinks and sources know how often
	}
	if s.Region != "" {
		options = append(options, config.WithRegion(s.Region))
	}
	if s.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey.Reveal(), s.SessionToken.Reveal())))
	}
	settings, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	if settings.Region == "" {
		if s.Endpoint == "" {
			return nil, fmt.Errorf("%w: the region is not known: set Region or AWS_REGION", weir.ErrConfiguration)
		}
		settings.Region = "us-east-1" // which services other than AWS take
	}
	c := &Client{stream: s, transport: http.DefaultTransport.(*http.Transport).Clone()}
	if own, ok := settings.HTTPClient.(*awshttp.BuildableClient); ok { // with the certificates of AWS_CA_BUNDLE
		c.transport = own.GetTransport()
	}
	c.transport.MaxIdleConnsPerHost = 64 // as many calls as tasks and shards are at work
	c.API = kinesis.NewFromConfig(settings, func(o *kinesis.Options) {
		o.HTTPClient = &http.Client{Transport: c.transport}
		if s.Endpoint != "" {
			o.BaseEndpoint = aws.String(s.Endpoint)
		}
	})
	return c, nil
}

// Close closes the connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Names returns the two fields by which calls name the stream, one of them nil.
func (c *Client) Names() (name, arn *string) {
	if strings.HasPrefix(c.stream.Name, "arn:") {
		return nil, &c.stream.Name
	}
	return &c.stream.Name, nil
}

// Call makes a call with a deadline. permission is the one of IAM that the call needs: "kinesis:PutRecords". Errors that time may mend are
// [web.Transient], and those of settings are weir.ErrConfiguration.
func (c *Client) Call(ctx context.Context, permission string, call func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, c.stream.Timeout)
	defer cancel()
	err := call(bounded)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case bounded.Err() != nil:
		err = fmt.Errorf("no answer within %v (Stream.Timeout)", c.stream.Timeout)
		return fmt.Errorf("%s: %w", permission, transient(err))
	}
	return fmt.Errorf("%s: %w", permission, judge(err))
}

// Describe returns the state of the stream, and an error if it cannot be used.
func (c *Client) Describe(ctx context.Context) (*types.StreamDescriptionSummary, error) {
	var summary *types.StreamDescriptionSummary
	err := c.Call(ctx, "kinesis:DescribeStreamSummary", func(ctx context.Context) error {
		name, arn := c.Names()
		out, err := c.API.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: arn})
		if err == nil {
			summary = out.StreamDescriptionSummary
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if state := summary.StreamStatus; state != types.StreamStatusActive && state != types.StreamStatusUpdating {
		return nil, fmt.Errorf("%w: the stream is %s, and has to be ACTIVE", weir.ErrConfiguration, state)
	}
	return summary, nil
}
