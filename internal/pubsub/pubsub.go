// Package pubsub reaches topics and subscriptions of Google Cloud Pub/Sub, for the sink and the source.
package pubsub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	vkit "cloud.google.com/go/pubsub/v2/apiv1"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
)

// Project names a project of Google Cloud and says how to reach its Pub/Sub. ID is needed.
type Project struct {
	// ID is that of the project.
	ID string
	// ServiceAccountKey is the key of a service account, as JSON. Without it the credentials come from the environment (GOOGLE_APPLICATION_CREDENTIALS, the
	// configuration of gcloud, the account of the machine).
	ServiceAccountKey secret.String
	// Endpoint is host and port of an emulator, which is reached without TLS and credentials. Empty means PUBSUB_EMULATOR_HOST, and if that is not set, Google.
	Endpoint string
	// Timeout bounds each call. 0 means 30 s.
	Timeout time.Duration
}

const defaultTimeout = 30 * time.Second

// check returns everything that is wrong.
func (p *Project) check() error {
	var wrong []error
	if p.ID == "" || strings.Contains(p.ID, "/") {
		wrong = append(wrong, fmt.Errorf("Project.ID is %q, and has to be the ID of a project", p.ID))
	}
	if err := connector.Negative(p); err != nil {
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// Settings checks the project, fills in its defaults, and returns the options of clients.
func (p *Project) Settings() ([]option.ClientOption, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	if p.Timeout == 0 {
		p.Timeout = defaultTimeout
	}
	if p.Endpoint == "" {
		p.Endpoint = os.Getenv("PUBSUB_EMULATOR_HOST")
	}
	var options []option.ClientOption
	if p.Endpoint != "" {
		options = append(options, option.WithEndpoint(p.Endpoint), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	} else if !p.ServiceAccountKey.IsZero() {
		options = append(options, option.WithAuthCredentialsJSON(option.ServiceAccount, []byte(p.ServiceAccountKey.Reveal())))
	}
	return options, nil
}

// String names the project and, if it is not Google, the address of the service.
func (p Project) String() string {
	if p.Endpoint == "" {
		return "project " + p.ID
	}
	return "project " + p.ID + " at " + p.Endpoint
}

// Call makes a call with a deadline. permission is the one of IAM that the call needs: "pubsub.topics.publish". Errors that time may mend are
// [web.Transient], and those of settings are weir.ErrConfiguration.
func (p *Project) Call(ctx context.Context, permission string, call func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	err := call(bounded)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case bounded.Err() != nil:
		err = &web.Transient{Err: fmt.Errorf("no answer within %v (Project.Timeout): %w", p.Timeout, err)}
	}
	return fmt.Errorf("%s: %w", permission, Judge(err))
}

// Judge returns the meaning of the error of a call: one that time mends, one of the settings, a wrong request, or another one.
func Judge(err error) error {
	if _, ok := errors.AsType[*web.Transient](err); ok {
		return err
	}
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.Unavailable, codes.ResourceExhausted, codes.Internal, codes.Aborted, codes.DeadlineExceeded, codes.Canceled, codes.Unknown:
		return &web.Transient{Err: err} // Unknown: also a connection that breaks, and no token from the service that has them
	case codes.NotFound:
		return fmt.Errorf("%w: %w (there is no such topic or subscription in this project)", weir.ErrConfiguration, err)
	case codes.PermissionDenied:
		return fmt.Errorf("%w: %w (an administrator grants the permission)", weir.ErrConfiguration, err)
	case codes.Unauthenticated:
		return fmt.Errorf("%w: %w (the credentials are those of Project.ServiceAccountKey, or of the environment)", weir.ErrConfiguration, err)
	case codes.InvalidArgument:
		return &web.WrongRequest{Err: err}
	}
	return err
}

// Granted finds out by test whether the credentials have permissions for a resource, and names the missing ones. Emulators do not tell.
func (p *Project) Granted(ctx context.Context, test func(context.Context, *iampb.TestIamPermissionsRequest) (*iampb.TestIamPermissionsResponse, error), resource string, permissions ...string) error {
	err := p.Call(ctx, "test of the permissions", func(ctx context.Context) error {
		answer, err := test(ctx, &iampb.TestIamPermissionsRequest{Resource: resource, Permissions: permissions})
		if status.Code(err) == codes.Unimplemented {
			return nil
		}
		if err != nil {
			return err
		}
		for _, permission := range permissions {
			if !slices.Contains(answer.GetPermissions(), permission) {
				return status.Errorf(codes.PermissionDenied, "%s is not granted for %s", permission, resource)
			}
		}
		return nil
	})
	return err
}

// CheckName reports whether Pub/Sub takes the ID of a topic or a subscription.
func CheckName(field, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%s is empty", field)
	case strings.ContainsAny(id, "/ \t\r\n"):
		return fmt.Errorf("%s is %q, and has to be an ID without the path in front of it", field, id)
	}
	return nil
}

// Topics opens a client for topics, without retries of its own.
func (p *Project) Topics(ctx context.Context) (*vkit.TopicAdminClient, error) {
	options, err := p.Settings()
	if err != nil {
		return nil, err
	}
	client, err := vkit.NewTopicAdminClient(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	client.CallOptions = &vkit.TopicAdminCallOptions{}
	return client, nil
}

// Subscriptions opens a client for subscriptions, without retries of its own.
func (p *Project) Subscriptions(ctx context.Context) (*vkit.SubscriptionAdminClient, error) {
	options, err := p.Settings()
	if err != nil {
		return nil, err
	}
	client, err := vkit.NewSubscriptionAdminClient(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	client.CallOptions = &vkit.SubscriptionAdminCallOptions{}
	return client, nil
}
