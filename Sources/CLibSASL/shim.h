#ifndef GATEPOST_CLIBSASL_SHIM_H
#define GATEPOST_CLIBSASL_SHIM_H

// libsasl2's headers use size_t and FILE without including what declares them.
#include <stddef.h>
#include <stdio.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <sasl/saslutil.h>

#endif
