package bigquery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
)

// call makes a call with a deadline, and judges its error. permission is the one of IAM that the call needs.
func call(ctx context.Context, timeout time.Duration, permission string, f func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := f(bounded)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case bounded.Err() != nil:
		err = &web.Transient{Err: fmt.Errorf("no answer within %v (Options.Timeout): %w", timeout, err)}
	}
	return fmt.Errorf("%s: %w", permission, judge(err))
}

// judge returns the meaning of the error of a call: one that time mends, one of the settings, or another one.
func judge(err error) error {
	if _, ok := errors.AsType[*web.Transient](err); ok {
		return err
	}
	if answer, ok := errors.AsType[*googleapi.Error](err); ok {
		return judgeStatus(err, answer)
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.Internal, codes.Aborted, codes.DeadlineExceeded, codes.Canceled, codes.Unknown:
		return &web.Transient{Err: err} // Unknown: also a connection that breaks, and no token from the service that has them
	case codes.NotFound:
		return fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	case codes.PermissionDenied:
		return fmt.Errorf("%w: %w (an administrator grants the permission)", weir.ErrConfiguration, err)
	case codes.Unauthenticated:
		return fmt.Errorf("%w: %w (the credentials are those of Table.ServiceAccountKey, or of the environment)", weir.ErrConfiguration, err)
	}
	return err
}

// judgeStatus is judge for the REST API. A quota that is used up has the status 403, and a reason.
func judgeStatus(err error, answer *googleapi.Error) error {
	busy := slices.ContainsFunc(answer.Errors, func(e googleapi.ErrorItem) bool {
		return e.Reason == "rateLimitExceeded" || e.Reason == "quotaExceeded" || e.Reason == "backendError"
	})
	switch {
	case busy, answer.Code >= 500, answer.Code == http.StatusTooManyRequests, answer.Code == http.StatusRequestTimeout:
		return &web.Transient{Err: err}
	case answer.Code == http.StatusUnauthorized, answer.Code == http.StatusForbidden, answer.Code == http.StatusNotFound:
		return fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	return err
}

// storageCode returns the code of an error of the Storage API.
func storageCode(err *status.Status) storagepb.StorageError_StorageErrorCode {
	for _, detail := range err.Details() {
		if e, ok := detail.(*storagepb.StorageError); ok {
			return e.GetCode()
		}
	}
	return storagepb.StorageError_STORAGE_ERROR_CODE_UNSPECIFIED
}
