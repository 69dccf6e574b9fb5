package kinesis

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
)

func transient(err error) error { return &web.Transient{Err: err} }

// judge returns the meaning of the error of a call: one that time mends, one of the settings, a wrong request, or another one.
func judge(err error) error {
	status := 0
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && response.Response != nil {
		status = response.HTTPStatusCode()
	}
	api, ok := errors.AsType[smithy.APIError](err)
	switch {
	case !ok || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return transient(err) // no connection, no credentials from the service that has them, or an answer that is none of Kinesis
	case Throttled(api.ErrorCode()):
		return transient(err)
	}
	switch code := api.ErrorCode(); code {
	case "ResourceInUseException": // the stream is being changed
		return transient(err)
	case "ResourceNotFoundException":
		return fmt.Errorf("%w: %w (there is no such stream or shard in this region, for this account)", weir.ErrConfiguration, err)
	case "AccessDeniedException", "KMSAccessDeniedException":
		return fmt.Errorf("%w: %w (an administrator grants the permission)", weir.ErrConfiguration, err)
	case "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId", "IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "ExpiredToken", "ExpiredTokenException", "SignatureDoesNotMatch":
		return fmt.Errorf("%w: %w (the credentials are those of Stream.AccessKey and Stream.SecretKey, or of the environment)", weir.ErrConfiguration, err)
	case "InvalidArgumentException", "ValidationException":
		return &web.WrongRequest{Err: err}
	}
	return err
}

// Throttled reports whether a code says that the stream or a shard takes no more for the moment.
func Throttled(code string) bool {
	return code == "ProvisionedThroughputExceededException" || code == "LimitExceededException" || strings.HasSuffix(code, "ThrottlingException") ||
		code == "RequestLimitExceeded" || code == "InternalFailure"
}

// Code returns the code of an error of Kinesis, such as "ExpiredIteratorException", or "".
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
