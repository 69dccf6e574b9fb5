package saramabroker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

var errClosed = errors.New("closed")

// translate wraps an error of the client with the error of the boundary that it stands for.
func translate(err error) error {
	if err == nil || isBoundary(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if code, ok := codeOf(err); ok {
		if code == sarama.ErrProducerFenced { // which the client has no text for
			err = errors.New("a newer producer has the same transactional id (code 90)")
		}
		if sentinel := sentinelOf(code); sentinel != nil {
			return fmt.Errorf("%w: %w", sentinel, err)
		}
		return err
	}
	if isUntrusted(err) {
		return fmt.Errorf("%w: %w", broker.ErrUnauthorized, err)
	}
	if errors.Is(err, sarama.ErrInvalidPartition) {
		return fmt.Errorf("%w: %w", broker.ErrUnknownTopic, err)
	}
	if isTransport(err) {
		return fmt.Errorf("%w: %w", broker.ErrUnavailable, err)
	}
	return err
}

func isBoundary(err error) bool {
	return errors.Is(err, broker.ErrUnavailable) || errors.Is(err, broker.ErrUnknownTopic) ||
		errors.Is(err, broker.ErrFenced) || errors.Is(err, broker.ErrUnauthorized) || errors.Is(err, broker.ErrAborted) ||
		errors.Is(err, broker.ErrRefused)
}

// codeOf returns the error code of the protocol that lies in err. "No error" is not one.
func codeOf(err error) (sarama.KError, bool) {
	code, ok := errors.AsType[sarama.KError](err)
	if !ok && errors.Is(err, sarama.ErrSASLAuthenticationFailed) { // which the client keeps where only Is looks
		return sarama.ErrSASLAuthenticationFailed, true
	}
	return code, ok && code != sarama.ErrNoError
}

func sentinelOf(code sarama.KError) error {
	switch code {
	case sarama.ErrUnknownTopicOrPartition:
		return broker.ErrUnknownTopic
	case sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge, sarama.ErrInvalidTimestamp, sarama.ErrInvalidRecord:
		return broker.ErrRefused
	case sarama.ErrTopicAuthorizationFailed, sarama.ErrGroupAuthorizationFailed, sarama.ErrClusterAuthorizationFailed,
		sarama.ErrTransactionalIDAuthorizationFailed, sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism:
		return broker.ErrUnauthorized
	case sarama.ErrIllegalGeneration, sarama.ErrUnknownMemberId, sarama.ErrFencedInstancedId,
		sarama.ErrInvalidProducerEpoch, sarama.ErrProducerFenced,
		// The cluster has forgotten the transactional id, which was idle for transactional.id.expiration.ms.
		sarama.ErrInvalidProducerIDMapping:
		return broker.ErrFenced
	}
	return nil
}

// isUntrusted says that a certificate was not accepted, the broker's or ours, which trying again does not change.
func isUntrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	remote, ok := errors.AsType[*net.OpError](err)
	if !ok || remote.Op != "remote error" || remote.Err == nil {
		return false
	}
	// The type of the alert is not exported; its text is.
	return slices.ContainsFunc(certificateAlerts, func(a tls.AlertError) bool { return a.Error() == remote.Err.Error() })
}

// certificateAlerts are the answers of a broker to a certificate that it does not accept, or that is missing (RFC 8446,
// section 6.2): bad, unsupported, revoked, expired or unknown, its authority is unknown, access is denied, it is required.
var certificateAlerts = []tls.AlertError{42, 43, 44, 45, 46, 48, 49, 116}

// isTransport says that err came from the connection and not from a broker.
func isTransport(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	_, isCode := codeOf(err)
	_, isConfig := errors.AsType[sarama.ConfigurationError](err)
	_, isEncoding := errors.AsType[sarama.PacketEncodingError](err)
	return !isCode && !isConfig && !isEncoding && !isUntrusted(err) && !errors.Is(err, sarama.ErrUnsupportedVersion) && !errors.Is(err, errClosed)
}

// isRetriable says that the same request may succeed later, perhaps at another broker.
func isRetriable(err error) bool {
	if errors.Is(err, broker.ErrUnavailable) || isTransport(err) {
		return true
	}
	code, _ := codeOf(err)
	switch code {
	case sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrReplicaNotAvailable,
		sarama.ErrFencedLeaderEpoch, sarama.ErrUnknownLeaderEpoch, sarama.ErrOffsetNotAvailable,
		sarama.ErrRequestTimedOut, sarama.ErrBrokerNotAvailable, sarama.ErrNetworkException,
		sarama.ErrOffsetsLoadInProgress, sarama.ErrConsumerCoordinatorNotAvailable,
		sarama.ErrNotCoordinatorForConsumer, sarama.ErrNotController, sarama.ErrKafkaStorageError:
		return true
	}
	return false
}

// backoff is the wait before another try, after a number of failures in a row: 50 ms to 1 s.
func backoff(failures int) time.Duration {
	return min(50*time.Millisecond<<min(max(failures-1, 0), 10), time.Second)
}
