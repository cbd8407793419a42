"""What a trace says about its run: metrics, the critical path, the certificate, why a call waited."""
