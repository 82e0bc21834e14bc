print("moloch")
