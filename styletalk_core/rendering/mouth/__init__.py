"""The mouth: lips, teeth and the skin around them."""
